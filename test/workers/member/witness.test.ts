import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { pino } from 'pino'
import { unlockKey } from '../../../client/keystore.ts'
import { fromHex } from '../../../protocol/bytes.ts'
import { encodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import { encodeLogOrigin } from '../../../protocol/log/logOrigin.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { planConsistency } from '../../../protocol/log/proofPlan.ts'
import { createEd25519Signer, signNote } from '../../../protocol/log/signNote.ts'
import { completeFromTiles, tilesOf } from '../../../protocol/log/tileProof.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { rootOfRange } from '../../../protocol/log/treeRoot.ts'
import { verifyCheckpoint } from '../../../protocol/log/verifyCheckpoint.ts'
import { createCheckpointSigner } from '../../../workers/member/checkpointer.ts'
import { createPublication } from '../../../workers/member/publication.ts'
import {
  type AddCheckpointParameters,
  addCheckpoint,
  type Witness,
  WitnessConflictError,
  WitnessContradictsError,
  WitnessRefusedError,
  WitnessUnreachableError,
} from '../../../workers/member/witness.ts'
import { startWitnesses } from '../../../workers/member/witnesses.ts'
import { createTileStore } from '../../protocol/log/tileStore.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import { type StartTestWitnessOptions, startTestWitness } from './testWitness.ts'

const origin = encodeLogOrigin(`0x${'ab'.repeat(32)}`)
const key = unlockKey(createTestMembers(1)[0]!.secretKey)
const signer = createCheckpointSigner({ key, origin })
const verifier = createNoteVerifier({ name: origin, algorithm: 'ed25519', publicKey: fromHex(key.noteKey) })
const logs = new Map([[origin, [verifier]]])
const timeoutMs = 10_000

/** The log of a committee of one, which grows as the test says; `other` has other entries from the first on. */
function createLog(other = '') {
  const tiles = createTileStore()
  const genesis = { size: 0n, root: rootOfRange(tiles.range()), timestampMs: 0n }
  const drops: string[] = []
  const said: { level: number; err?: { code: string } }[] = []
  const logger = pino(
    { level: 'info', serializers: { err: (error) => ({ code: error.code }) } },
    {
      write: (line: string) => void said.push(JSON.parse(line)),
    },
  )
  const publication = createPublication(
    {
      signer,
      members: () => members,
      send: () => {},
      drop: (reason) => drops.push(reason),
      logger,
      clock: { nowMs: Date.now },
    },
    genesis,
  )
  const members = [{ signer: key.signer, noteKey: key.noteKey }]
  let timestampMs = 10_000n
  return {
    publication,
    drops,
    said,
    grow(count: number): void {
      const size = Number(tiles.range().size)
      tiles.append(Array.from({ length: count }, (_, index) => hashLeaf(Buffer.from(`${other}${size + index}`))))
      timestampMs += 1_000n
      publication.decided({ size: tiles.range().size, root: rootOfRange(tiles.range()), timestampMs })
    },
    note: (): Uint8Array => publication.head().note,
    prove(size1: bigint, size2: bigint): Uint8Array[] {
      const plan = planConsistency({ size1, size2 })
      return completeFromTiles(plan, tilesOf(plan).map(tiles.read))
    },
    start: (witnesses: readonly Witness[], answerMs = timeoutMs) =>
      startWitnesses(
        {
          publication,
          store: { readTile: (level, index) => tiles.rows().get(`${level}/${index}`) },
          drop: (reason) => drops.push(reason),
          logger,
          clock: { nowMs: Date.now },
        },
        { witnesses, intervalMs: 10, timeoutMs: answerMs },
      ),
  }
}

async function startWitness(t: TestContext, options: Partial<StartTestWitnessOptions> = {}) {
  const witness = await startTestWitness({ logs, ...options })
  t.after(() => witness.close())
  return witness
}

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('witnesses: what a member publishes is cosigned as it grows, and served so', async (t) => {
  const [first, second] = [await startWitness(t), await startWitness(t, { name: 'second.example' })]
  const log = createLog()
  const { publication } = log
  const running = log.start([first, second])
  t.after(() => running.close())
  const verifiers = [verifier, createNoteVerifier(first.key), createNoteVerifier(second.key)]
  for (const [count, size] of [
    [200, 200n],
    [56, 256n],
    [400, 656n],
  ] as const) {
    log.grow(count)
    await until(() => [first, second].every(({ cosigned }) => cosigned.get(origin)?.size === size))
    await until(() => {
      const note = publication.witnessed()
      if (note === undefined) return false
      const opened = verifyCheckpoint({ note, origin, verifiers })
      return opened.size === size && opened.verified.length === 3
    })
    const { verified } = verifyCheckpoint({ note: publication.checkpoint(), origin, verifiers, witnessesMin: 2 })
    assert.equal(verified.length, 3)
  }
  assert.deepEqual(log.drops, [])
  assert.deepEqual(log.said, [])
  // From nothing, and then each time from where it was: nobody else shows it this log.
  assert.deepEqual(first.answers, [200, 200, 200])
})

test('witnesses: a newer head has no cosignature yet, and the one that has is served beside it', async (t) => {
  const witness = await startWitness(t)
  const log = createLog()
  log.grow(5)
  const running = log.start([witness])
  await until(() => log.publication.witnessed() !== undefined)
  await running.close()
  log.grow(1)
  const verifiers = [verifier, createNoteVerifier(witness.key)]
  const sizeOf = (note: Uint8Array, witnessesMin: number) =>
    verifyCheckpoint({ note, origin, verifiers, witnessesMin }).size
  assert.equal(sizeOf(log.publication.checkpoint(), 0), 6n)
  assert.throws(() => sizeOf(log.publication.checkpoint(), 1), { code: 'CHECKPOINT_WITNESSES' })
  assert.equal(sizeOf(log.publication.witnessed()!, 1), 5n)
})

test('witnesses: where another member was first, the proof begins where the witness is', async (t) => {
  const witness = await startWitness(t)
  const [fast, slow] = [createLog(), createLog()]
  fast.grow(300)
  await addCheckpoint(witness, { note: fast.note(), size: 300n, oldSize: 0n, proof: [], timeoutMs })
  slow.grow(200)
  const running = slow.start([witness])
  t.after(() => running.close())
  // It is behind: there is nothing to ask for.
  await until(() => witness.answers.length >= 4)
  assert.deepEqual(new Set(witness.answers.slice(1)), new Set([409]))
  assert.equal(slow.publication.witnessed(), undefined)
  slow.grow(500)
  await until(() => slow.publication.witnessed() !== undefined)
  assert.equal(witness.cosigned.get(origin)?.size, 700n)
  assert.deepEqual(slow.said, [])
})

test('witnesses: a witness that has cosigned another history of this log is an alarm, and nothing of it is served', async (t) => {
  const witness = await startWitness(t)
  const forked = createLog('other ')
  forked.grow(300)
  await addCheckpoint(witness, { note: forked.note(), size: 300n, oldSize: 0n, proof: [], timeoutMs })
  for (const [size, code] of [
    [300, 'WITNESS_CONTRADICTS'],
    [400, 'WITNESS_REFUSED'],
  ] as const) {
    const log = createLog()
    log.grow(size)
    const running = log.start([witness])
    await until(() => log.said.length > 0)
    await running.close()
    assert.deepEqual(log.said[0]!.err, { code })
    assert.equal(log.publication.witnessed(), undefined)
    assert.equal(witness.cosigned.get(origin)?.size, 300n)
  }
})

test('witnesses: one that never answers, or answers what is not its cosignature, keeps nothing from anybody', async (t) => {
  const silent = await startWitness(t, { name: 'silent.example', isSilent: true })
  const liar = await startWitness(t, { name: 'liar.example', distort: () => `— liar.example ${lineOf(72)}\n` })
  const honest = await startWitness(t)
  const log = createLog()
  log.grow(5)
  const running = log.start([silent, { ...liar, key: { ...liar.key } }, honest], 200)
  await until(() => log.publication.witnessed() !== undefined && log.said.length >= 2)
  await running.close()
  const codes = log.said.map(({ err }) => err?.code).sort()
  assert.deepEqual(codes.slice(0, 2), ['COSIGNATURE_REFUSED', 'WITNESS_UNREACHABLE'])
  assert.deepEqual(log.drops, ['cosignature'])
  const verifiers = [verifier, createNoteVerifier(honest.key)]
  const { verified, unverified } = verifyCheckpoint({
    note: log.publication.checkpoint(),
    origin,
    verifiers,
    witnessesMin: 1,
  })
  assert.deepEqual([verified.length, unverified.length], [2, 0])
})

test('witnesses: closing ends a request that waits', async (t) => {
  const silent = await startWitness(t, { isSilent: true })
  const log = createLog()
  log.grow(5)
  const running = log.start([silent], 3_600_000)
  await new Promise((resolve) => setImmediate(resolve))
  await running.close()
  assert.deepEqual(log.said, [])
})

/** Asks an honest witness that has cosigned the first 200 entries. */
async function askAt200(
  t: TestContext,
  change: (log: ReturnType<typeof createLog>) => Partial<AddCheckpointParameters>,
  options: Partial<StartTestWitnessOptions> = {},
) {
  const witness = await startWitness(t, options)
  const log = createLog()
  log.grow(200)
  if (options.logs === undefined) {
    await addCheckpoint(witness, { note: log.note(), size: 200n, oldSize: 0n, proof: [], timeoutMs }).catch(() => {})
  }
  log.grow(100)
  return addCheckpoint(witness, {
    ...{ note: log.note(), size: 300n, oldSize: 200n, proof: log.prove(200n, 300n), timeoutMs },
    ...change(log),
  })
}

test('addCheckpoint: gives the line of an honest witness', async (t) => {
  assert.equal((await askAt200(t, () => ({}))).name, 'witness.example')
})

const stranger = createEd25519Signer({ name: origin, seed: new Uint8Array(32).fill(3) })
const strangersNote = signNote({
  text: encodeCheckpoint({ origin, size: 300n, root: new Uint8Array(32), extensions: [] }),
  signers: [stranger],
})
const refusals: {
  what: string
  change: (log: ReturnType<typeof createLog>) => Partial<AddCheckpointParameters>
  options?: Partial<StartTestWitnessOptions>
  error: new (...args: never[]) => Error
  said: RegExp
}[] = [
  {
    what: 'a log that it does not know',
    change: () => ({}),
    options: { logs: new Map() },
    error: WitnessRefusedError,
    said: /404/,
  },
  {
    what: 'keys that it does not trust',
    change: () => ({ note: strangersNote }),
    error: WitnessRefusedError,
    said: /403/,
  },
  {
    what: 'a proof of something else',
    change: (log) => ({ proof: log.prove(199n, 300n) }),
    error: WitnessRefusedError,
    said: /422/,
  },
  {
    what: 'an old size above the new one',
    change: () => ({ oldSize: 301n, proof: [] }),
    error: WitnessRefusedError,
    said: /400/,
  },
  {
    what: 'an old size that is not its own',
    change: (log) => ({ oldSize: 100n, proof: log.prove(100n, 300n) }),
    error: WitnessConflictError,
    said: /200 entries/,
  },
]
for (const { what, change, options, error, said } of refusals)
  test(`addCheckpoint: is refused ${what}`, async (t) => {
    await assert.rejects(
      askAt200(t, change, options),
      (thrown: Error) => thrown instanceof error && said.test(thrown.message),
    )
  })

test('addCheckpoint: another root of the very size that the witness has cosigned is a contradiction', async (t) => {
  const other = createLog('other ')
  other.grow(200)
  await assert.rejects(
    askAt200(t, () => ({ note: other.note(), size: 200n, oldSize: 200n, proof: [] })),
    WitnessContradictsError,
  )
})

const lineOf = (sizeBytes: number): string => Buffer.alloc(4 + sizeBytes, 7).toString('base64')
const distorted: { what: string; distort: (lines: string) => string; code: string }[] = [
  { what: 'no line', distort: () => '', code: 'COSIGNATURE_REFUSED' },
  { what: 'another key’s line alone', distort: () => `— other.example ${lineOf(72)}\n`, code: 'COSIGNATURE_REFUSED' },
  { what: 'a line that is cut', distort: (lines) => lines.slice(0, -20), code: 'COSIGNATURE_REFUSED' },
  { what: 'another time than it signed', distort: (lines) => flipTime(lines), code: 'COSIGNATURE_REFUSED' },
  { what: 'a text of its own', distort: (lines) => `\nmore\n\n${lines}`, code: 'COSIGNATURE_REFUSED' },
  { what: 'more than 100 lines', distort: (lines) => lines.repeat(120), code: 'COSIGNATURE_REFUSED' },
  { what: 'more bytes than lines have', distort: (lines) => lines.repeat(400), code: 'WITNESS_UNREACHABLE' },
]
function flipTime(line: string): string {
  const [dash, name, text] = line.trimEnd().split(' ')
  const bytes = Buffer.from(text!, 'base64')
  bytes[11]! ^= 1
  return `${dash} ${name} ${bytes.toString('base64')}\n`
}
for (const { what, distort, code } of distorted)
  test(`addCheckpoint: does not take ${what} for a cosignature`, async (t) => {
    await assert.rejects(
      askAt200(t, () => ({}), { distort }),
      { code },
    )
  })

test('addCheckpoint: leaves out lines of other keys beside the witness’s own', async (t) => {
  const distort = (lines: string): string => `— other.example ${lineOf(72)}\n${lines}`
  assert.equal((await askAt200(t, () => ({}), { distort })).name, 'witness.example')
})

test('addCheckpoint: is not usable where nobody answers in time, or as the protocol has it', async (t) => {
  await assert.rejects(
    askAt200(t, () => ({ timeoutMs: 50 }), { isSilent: true, logs: new Map() }),
    WitnessUnreachableError,
  )
  const answers: [number, string][] = [
    [500, ''],
    [302, ''],
    [409, 'much\n'],
    [409, '200\n'],
    [409, `${2n ** 64n}\n`],
  ]
  for (const [status, body] of answers) {
    const server = createServer((_, response) => response.writeHead(status, { location: '/' }).end(body))
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    t.after(() => server.close().closeAllConnections())
    const { port } = server.address() as { port: number }
    const witness = {
      url: `http://127.0.0.1:${port}`,
      key: { name: 'w', algorithm: 'cosignature/v1' as const, publicKey: fromHex(key.noteKey) },
    }
    const log = createLog()
    log.grow(300)
    await assert.rejects(
      addCheckpoint(witness, { note: log.note(), size: 300n, oldSize: 200n, proof: log.prove(200n, 300n), timeoutMs }),
      WitnessUnreachableError,
      `${status} ${body}`,
    )
  }
})
