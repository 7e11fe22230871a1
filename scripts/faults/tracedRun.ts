import { type ChildProcess, spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync, rmSync } from 'node:fs'
import { startProcess } from '../services.ts'
import { createTraceParser, FOLLOWED_CALLS, type TraceEvent } from './trace.ts'

/** What strace does to the process: to one call and, where `isLasting`, to all after it. */
export type Injection = {
  call: 'pwrite64' | 'fsync' | 'ftruncate' | 'unlink'
  /** The how-manieth call of that name, from 1. */
  at: number
  isLasting: boolean
  /** An error that the call gives, a kill in its stead, or success for nothing done. */
  act: { error: 'EIO' | 'ENOSPC' } | 'kill' | 'lie'
}

export type Ending = { code: number | null; signal: NodeJS.Signals | null }

export type TracedRun = {
  /** Whether it came to say that it is ready. */
  isReady: Promise<boolean>
  /** Of the call that was injected into; undefined while the trace, as far as it was read, has none. */
  injectedPath(): string | undefined
  /** Resolves when the process has ended and all of its trace is read. */
  ended: Promise<Ending>
  end(signal: NodeJS.Signals): Promise<Ending>
}

/** Bytes of one string in a trace; more than any write of a test's committee. */
const STRING_MAX_BYTES = 1 << 20
const READ_BYTES = 1 << 20
const POLL_MS = 20
const TRACE_END_MAX_MS = 10_000

/** Why no process can be traced here; undefined where one can. */
export function whyNotTraced(): string | undefined {
  const { error, status, stderr } = spawnSync('strace', ['-D', '-f', '--seccomp-bpf', '-e', 'trace=none', 'true'], {
    encoding: 'utf8',
  })
  if (error !== undefined) return 'strace is absent'
  return status === 0 ? undefined : `strace does not work here: ${stderr.trim().split('\n')[0]}`
}

/** Runs a member under strace, which leaves it a child of this process, and hands each event of its trace to `take`. */
export function startTraced(
  { take, traceFile }: { take(event: TraceEvent): void; traceFile: string },
  options: { env: Record<string, string>; logFile: string; injection?: Injection | undefined },
): TracedRun {
  const { env, logFile, injection } = options
  rmSync(traceFile, { force: true })
  closeSync(openSync(traceFile, 'w'))
  let child: ChildProcess | undefined
  const isReady = startProcess(['workers/member/main.ts', 'run'], {
    env,
    logFile,
    under: straceCommand(traceFile, injection),
    onStart: (started) => {
      child = started
    },
  }).then(
    () => true,
    () => false,
  )
  const follower = followTrace({ traceFile, pid: child!.pid!, take, injection })
  const exited = new Promise<Ending>((resolve) => {
    child!.once('exit', (code, signal) => resolve({ code, signal }))
  })
  let failure: unknown
  const poll = setInterval(() => {
    try {
      follower.read()
    } catch (error) {
      failure ??= error
      clearInterval(poll)
      child!.kill('SIGKILL')
    }
  }, POLL_MS)
  const ended = exited.then(async (ending) => {
    clearInterval(poll)
    if (failure !== undefined) throw failure
    // The tracer writes down the end a moment after it.
    for (const deadline = Date.now() + TRACE_END_MAX_MS; !follower.isAtEnd(); await sleep(POLL_MS)) {
      follower.read()
      if (Date.now() > deadline) throw new Error('the trace of a process that ended has no end')
    }
    follower.close()
    return ending
  })
  ended.catch(() => {})
  return {
    isReady,
    ended,
    injectedPath: follower.injectedPath,
    end(signal) {
      child!.kill(signal)
      return ended
    },
  }
}

function straceCommand(traceFile: string, injection: Injection | undefined): string[] {
  const inject = injection === undefined ? [] : ['-e', `inject=${describeInjection(injection)}`]
  // Stopping only at the calls that are followed is far cheaper, and strace 6.1 then forgets to send the signals it injects.
  const speed = injection?.act === 'kill' ? [] : ['--seccomp-bpf']
  const follow = ['-e', `trace=${FOLLOWED_CALLS.join()}`, '-e', 'signal=KILL', ...inject]
  return ['strace', '-D', '-f', ...speed, '-y', '-xx', '-s', String(STRING_MAX_BYTES), '-o', traceFile, ...follow]
}

/** As strace is told it. */
export function describeInjection({ call, at, isLasting, act }: Injection): string {
  const does = act === 'kill' ? 'signal=KILL' : act === 'lie' ? 'retval=0' : `error=${act.error}`
  return `${call}:${does}:when=${at}${isLasting ? '+' : ''}`
}

function followTrace(options: {
  traceFile: string
  pid: number
  take(event: TraceEvent): void
  injection: Injection | undefined
}) {
  const { traceFile, pid, take, injection } = options
  const file = openSync(traceFile, 'r')
  const buffer = Buffer.alloc(READ_BYTES)
  const parse = createTraceParser()
  let rest: Buffer[] = []
  let injectedPath: string | undefined
  let isAtEnd = false

  function readLine(line: string): void {
    if (line.includes('+++ ')) {
      isAtEnd ||= line.startsWith(`${pid} `)
      return
    }
    const event = parse(line)
    if (event === undefined) return
    if (event.call === injection?.call && event.isInjected) injectedPath ??= event.path
    take(event)
  }

  return {
    injectedPath: () => injectedPath,
    isAtEnd: () => isAtEnd,
    close: () => closeSync(file),
    read(): void {
      for (let size = readSync(file, buffer); size > 0; size = readSync(file, buffer)) {
        let from = 0
        for (let end = buffer.indexOf(10); end >= 0 && end < size; end = buffer.indexOf(10, from)) {
          rest.push(Buffer.from(buffer.subarray(from, end)))
          readLine(Buffer.concat(rest).toString('latin1'))
          rest = []
          from = end + 1
        }
        rest.push(Buffer.from(buffer.subarray(from, size)))
      }
    },
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
