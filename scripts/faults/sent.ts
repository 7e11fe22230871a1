import { decodeMessage } from '../../committee/codec.ts'
import type { SignedMessage } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { decodeAcknowledgement } from '../../protocol/wire/acknowledgement.ts'
import { deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { decodeFrame } from '../../workers/member/frame.ts'

/** What a member said to Redis that binds it. */
export type Sent =
  | { kind: 'message'; message: SignedMessage }
  /** A client was told that a height is decided, with the certificate of these precommits. */
  | { kind: 'acknowledgement'; height: bigint; precommit: Hex; signers: bigint }

/** Reads what a process writes to its sockets, as commands of Redis; what is none, as its HTTP answers, is passed over. */
export function createSentReader(): (socket: string, bytes: Uint8Array) => Sent[] {
  const rests = new Map<string, Buffer | null>()
  return (socket, bytes) => {
    const rest = rests.get(socket)
    if (rest === null) return []
    let buffer = rest === undefined ? Buffer.from(bytes) : Buffer.concat([rest, bytes])
    if (buffer.length > 0 && buffer[0] !== STAR) {
      rests.set(socket, null)
      return []
    }
    const sent: Sent[] = []
    for (let command = readCommand(buffer); command !== undefined; command = readCommand(buffer)) {
      sent.push(...readSent(command.args))
      buffer = buffer.subarray(command.sizeBytes)
    }
    rests.set(socket, buffer)
    return sent
  }
}

const STAR = '*'.charCodeAt(0)

/** The first command of `*COUNT\r\n` and COUNT times `$SIZE\r\nBYTES\r\n`; undefined while it is not whole. */
function readCommand(buffer: Buffer): { args: Buffer[]; sizeBytes: number } | undefined {
  let position = 0
  const readNumber = (sign: string): number | undefined => {
    const end = buffer.indexOf('\r\n', position)
    if (end < 0) return undefined
    const line = buffer.toString('latin1', position, end)
    if (line[0] !== sign || !/^.\d+$/.test(line))
      throw new Error(`what was sent to Redis is no command: ${line.slice(0, 60)}`)
    position = end + 2
    return Number(line.slice(1))
  }
  const count = readNumber('*')
  if (count === undefined) return undefined
  const args: Buffer[] = []
  for (let index = 0; index < count; index++) {
    const size = readNumber('$')
    if (size === undefined || position + size + 2 > buffer.length) return undefined
    args.push(buffer.subarray(position, position + size))
    position += size + 2
  }
  return { args, sizeBytes: position }
}

function readSent(args: readonly Buffer[]): Sent[] {
  const name = args[0]?.toString('latin1').toLowerCase()
  if (name === 'xadd') {
    const frame = decodeFrame(new Uint8Array(args.at(-1)!))
    if (typeof frame === 'string' || frame.kind !== 'consensus') return []
    return [{ kind: 'message', message: decodeMessage(frame.bytes) }]
  }
  // A job's result is an argument of a script: JSON of the text that the member answered.
  return args.filter((arg) => arg.length > 2 && arg.includes('\\"record\\"')).flatMap(readAcknowledgement)
}

function readAcknowledgement(arg: Buffer): Sent[] {
  try {
    const { record } = decodeAcknowledgement(JSON.parse(arg.toString()))
    const { commit, certificate } = record
    const precommit = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: certificate.round })
    return [{ kind: 'acknowledgement', height: commit.height, precommit, signers: certificate.signers }]
  } catch (error) {
    if (error instanceof CoalitionError || error instanceof SyntaxError) return []
    throw error
  }
}
