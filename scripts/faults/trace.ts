/**
 * What `strace -f -y -xx` says that a process did to its files and sockets, one event a line. Strings and paths come as
 * hexadecimal, so that no byte of them can be taken for a part of the line.
 */

/** The calls whose effect is followed: all ways in which SQLite and Node.js write, and those that name files. */
export const FOLLOWED_CALLS = [
  'openat',
  'pwrite64',
  'ftruncate',
  'fsync',
  'fdatasync',
  'unlink',
  'write',
  'writev',
  'sendmsg',
  'sendto',
] as const

export type TraceEvent = {
  call: string
  /** Of the file; `socket:[N]` of a socket. */
  path: string
  /** Whether strace made its result up, or it never came back: its process was killed in it. */
  isInjected: boolean
  effect:
    | { kind: 'open'; isCreating: boolean }
    | { kind: 'write'; offset: number; bytes: Uint8Array }
    | { kind: 'truncate'; sizeBytes: number }
    /** Only a sync that is `done` reached the disk: one that lied says so, and one that failed may have lost what it held. */
    | { kind: 'sync'; outcome: 'done' | 'failed' | 'lied' }
    | { kind: 'remove' }
    | { kind: 'send'; bytes: Uint8Array }
    /** It failed, or never came back. */
    | { kind: 'none' }
}

const decodeHex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex')

/** Takes lines of a trace; calls that other threads interrupted are put together again. */
export function createTraceParser(): (line: string) => TraceEvent | undefined {
  const unfinished = new Map<string, string>()
  return (line) => {
    const gap = line.indexOf(' ')
    const thread = line.slice(0, gap)
    let text = line.slice(gap).trimStart()
    if (text.startsWith('<... ')) {
      text = (unfinished.get(thread) ?? '') + text.slice(text.indexOf('>') + 1)
      unfinished.delete(thread)
    }
    const mark = text.indexOf('<unfinished ...>')
    if (mark >= 0) {
      unfinished.set(thread, text.slice(0, mark).trimEnd())
      return undefined
    }
    return parseCall(text)
  }
}

function parseCall(text: string): TraceEvent | undefined {
  const open = text.indexOf('(')
  const call = text.slice(0, open)
  if (!(FOLLOWED_CALLS as readonly string[]).includes(call)) return undefined
  // Short calls are padded, and everything before is hexadecimal.
  const equals = text.lastIndexOf(' = ')
  if (equals < 0) throw new Error(`a line of the trace is cut: ${text.slice(0, 120)}`)
  const args = text.slice(open + 1, text.lastIndexOf(')', equals))
  const said = text.slice(equals + 3)
  const isInjected = said.includes('(INJECTED)') || said.startsWith('?')
  const path = call === 'openat' || call === 'unlink' ? stringsOf(args)[0]!.toString() : pathOf(args)
  const result = Number.parseInt(said, 10)
  const isDone = result >= 0 && !isInjected
  const effect = ((): TraceEvent['effect'] => {
    if (call === 'fsync' || call === 'fdatasync') {
      if (isDone) return { kind: 'sync', outcome: 'done' }
      return Number.isNaN(result) ? { kind: 'none' } : { kind: 'sync', outcome: result < 0 ? 'failed' : 'lied' }
    }
    if (!isDone) return { kind: 'none' }
    if (call === 'openat') return { kind: 'open', isCreating: args.includes('O_CREAT') }
    if (call === 'unlink') return { kind: 'remove' }
    if (call === 'ftruncate') return { kind: 'truncate', sizeBytes: lastNumber(args) }
    const bytes = Buffer.concat(stringsOf(args)).subarray(0, result)
    if (bytes.length !== result) throw new Error(`the trace has ${bytes.length} of the ${result} bytes of a ${call}`)
    if (call === 'pwrite64') return { kind: 'write', offset: lastNumber(args), bytes }
    return path.startsWith('socket:') ? { kind: 'send', bytes } : { kind: 'none' }
  })()
  return { call, path, isInjected, effect }
}

const lastNumber = (args: string): number => Number(args.slice(args.lastIndexOf(',') + 1))

const stringsOf = (args: string): Buffer[] =>
  [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex]) => decodeHex(hex!))

/** Of the descriptor that a call's arguments begin with: `22<\x2f…>`. */
function pathOf(args: string): string {
  const hex = /^\d+<((?:\\x[0-9a-f]{2})*)>/.exec(args)?.[1]
  return hex === undefined ? '' : decodeHex(hex).toString()
}
