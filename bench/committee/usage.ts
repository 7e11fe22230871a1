import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What a process has used so far. */
export type Usage = {
  /** Processor time, user and system, of all its threads. */
  cpuMs: number
  /** Resident memory now. */
  rssBytes: number
}

const TICKS_PER_SECOND = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout)

/** Reads /proc, so on Linux alone. */
export function readUsage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is a name that may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return {
    cpuMs: (1000 * (Number(fields[11]) + Number(fields[12]))) / TICKS_PER_SECOND,
    rssBytes: 1024 * Number(rss ?? 0),
  }
}
