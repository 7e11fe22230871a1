import { createEpochs } from '../../client/epochs.ts'
import { createSubmitter, type Submitter } from '../../client/submit.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { type SignedEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { deriveSignerAddress } from '../../protocol/wire/signature.ts'

/** What the bench asks of its client, which runs as a process of its own and talks to the members' real queues. */
export type LoadRequest = {
  redisUrl: string
  component: Hex
  signers: readonly Hex[]
  /** Secret keys of the submitters, each with a sequence of its own that starts at 1. */
  secretKeys: readonly Hex[]
  /** Unacknowledged envelopes of each submitter. */
  depth: number
  commandsPerEnvelope: number
  durationMs: number
  /** Envelopes of each submitter that are signed before the clock starts; what goes beyond is signed on the way. */
  signedBefore: number
}

export type LoadReport = {
  /** From the first submission to the last acknowledgement. */
  elapsedMs: number
  /** One for each acknowledged envelope. */
  latenciesMs: number[]
  commands: number
  /** Why submissions failed; load ends with the first. */
  failures: string[]
}

/** Bytes of one recorded statement. */
export const STATEMENT_SIZE_BYTES = 100
const ANSWER_TIMEOUT_MS = 60_000

process.once('message', (request: LoadRequest) => {
  load(request).then(
    (report) => process.send!(report, () => process.disconnect()),
    (error: Error) => {
      console.error(`bench: the client failed: ${error.message}`)
      process.exitCode = 1
      process.disconnect()
    },
  )
})

async function load(request: LoadRequest): Promise<LoadReport> {
  const { redisUrl, component, signers, durationMs } = request
  const report: LoadReport = { elapsedMs: 0, latenciesMs: [], commands: 0, failures: [] }
  const sources = request.secretKeys.map((key) => createSource({ ...request, secretKey: fromHex(key) }))
  const epochs = createEpochs({ component, members: signers.map((signer) => ({ signer })) })
  const members = await createSubmitter({ redisUrl, epochs })
  process.send!('ready')
  await new Promise<void>((resolve) => process.once('message', () => resolve()))
  const startMs = performance.now()
  const isOver = (): boolean => performance.now() - startMs >= durationMs || report.failures.length > 0
  const lanes = sources.flatMap((next) => Array.from({ length: request.depth }, () => ({ next })))
  await Promise.all(lanes.map(({ next }) => runLane({ members, next, isOver, report })))
  report.elapsedMs = performance.now() - startMs
  await members.close()
  return report
}

/** One envelope after another: as many lanes of a submitter as its depth. */
async function runLane(lane: {
  members: Submitter
  next(): SignedEnvelope
  isOver(): boolean
  report: LoadReport
}): Promise<void> {
  const { members, next, isOver, report } = lane
  while (!isOver()) {
    const envelope = next()
    const sentMs = performance.now()
    try {
      await members.submit(envelope, { timeoutMs: ANSWER_TIMEOUT_MS })
      report.latenciesMs.push(performance.now() - sentMs)
      report.commands += envelope.commands.length
    } catch (error) {
      report.failures.push((error as Error).message)
    }
  }
}

/** A submitter's envelopes in order of sequence; no two of its commands are alike. */
function createSource(options: LoadRequest & { secretKey: Uint8Array }): () => SignedEnvelope {
  const { component, secretKey, commandsPerEnvelope, signedBefore } = options
  const submitter = deriveSignerAddress(secretKey)
  let lastSequence = 0n
  const sign = (): SignedEnvelope => {
    const sequence = ++lastSequence
    const commands = Array.from({ length: commandsPerEnvelope }, (_, index) => {
      const statement = Buffer.alloc(STATEMENT_SIZE_BYTES, `${submitter}/${sequence}/${index} `)
      return encodeChronicleCommand({ kind: 'recordStatement', statement: new Uint8Array(statement) })
    })
    return signEnvelope({ component, submitter, sequence, commands }, secretKey)
  }
  const signed = Array.from({ length: signedBefore }, sign)
  let position = 0
  return () => (position < signed.length ? signed[position++]! : sign())
}
