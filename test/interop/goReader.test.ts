import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createEpochs } from '../../client/epochs.ts'
import { readKeystore } from '../../client/keystore.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import { createSubmitter } from '../../client/submit.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../protocol/log/checkpoint.ts'
import { decodeNote } from '../../protocol/log/signedNote.ts'
import { createEd25519Signer, signNote } from '../../protocol/log/signNote.ts'
import { encodeVerifierKey } from '../../protocol/log/verifierKey.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { signEnvelope } from '../../protocol/wire/envelope.ts'
import {
  type DemoProcess,
  EXAMPLE_CONFIG,
  keystorePath,
  PASSWORD_FILE,
  startMember,
} from '../../scripts/demo/committee.ts'
import { type Tamper, withTamperedLog } from '../../scripts/demo/tamperedLog.ts'
import { type Service, startRedis, stopProcess } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { buildGoReader, type GoReader, whyNoGo } from './goReader.ts'

const reason = whyNoGo()
const skip = reason === undefined ? false : `${reason}: not read with Go`

/** Entries after each envelope: within a tile, one tile exactly, and two with a third that stays partial. */
const SIZES = [200, 256, 500, 650]

let chronicle: Component
let redis: Service
let members: DemoProcess[] = []
let log: LogReader
let read: GoReader
/** The member's checkpoint at each of the sizes, the newest last. */
const checkpoints: string[] = []
const dir = createTestDir()

before(async () => {
  if (skip !== false) return
  chronicle = await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })
  redis = await startRedis({ isPrivate: true })
  const settings = { redisUrl: redis.url, rpcUrl: '', config: EXAMPLE_CONFIG, dir, start: {} }
  members = await Promise.all([0, 1, 2, 3].map((index) => startMember(settings, { index })))
  log = createLogReader({ url: members[0]!.url })
  read = await buildGoReader(dir)
  await append()
})
after(async () => {
  await Promise.all(members.map(({ child }) => stopProcess(child)))
  await redis?.stop()
})

async function append(): Promise<void> {
  const key = await readKeystore({ path: keystorePath('submitter'), password: readPasswordFile(PASSWORD_FILE) })
  const { component } = chronicle
  const submitter = await createSubmitter({ redisUrl: redis.url, epochs: createEpochs(chronicle) })
  for (const [index, size] of SIZES.entries()) {
    const commands = Array.from({ length: size - (SIZES[index - 1] ?? 0) }, (_, nth) =>
      encodeChronicleCommand({ kind: 'recordStatement', statement: Buffer.from(`{"n":"${index}.${nth}"}`) }),
    )
    const envelope = signEnvelope(
      { component, submitter: key.signer, sequence: BigInt(index + 1), commands },
      key.secretKey,
    )
    await submitter.submit(envelope, { timeoutMs: 60_000 })
    const note = await readCheckpointOf(BigInt(size))
    const path = join(dir, `checkpoint-${size}`)
    writeFileSync(path, note)
    checkpoints.push(path)
  }
  await submitter.close()
}

/** Of four. */
const QUORUM = 3
const CHECKPOINT_MAX_MS = 60_000

/** The member's checkpoint once it is of `size` entries and a quorum's: another member may have answered first. */
async function readCheckpointOf(size: bigint): Promise<Uint8Array> {
  const deadline = Date.now() + CHECKPOINT_MAX_MS
  for (;;) {
    const note = await log.readCheckpoint()
    const { text, signatures } = decodeNote(note)
    if (decodeCheckpoint(text).size === size && signatures.length >= QUORUM) return note
    if (Date.now() > deadline) throw new Error(`no checkpoint of ${size} entries within ${CHECKPOINT_MAX_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const verifierKeys = (): string[] =>
  chronicle.members.map(({ noteKey }) =>
    encodeVerifierKey({ name: chronicle.origin, algorithm: 'ed25519', publicKey: fromHex(noteKey!) }),
  )

const argsFor = (url: string, { old = [] as readonly string[], signatures = 1 } = {}): string[] => [
  ...['-url', url, '-origin', chronicle.origin, '-signatures', String(signatures)],
  ...verifierKeys().flatMap((vkey) => ['-vkey', vkey]),
  ...old.flatMap((path) => ['-old', path]),
]

test('Go’s note and tlog packages verify every entry and every size of a member’s log', { skip }, async (t) => {
  const { status, output, said } = await read(argsFor(log.url, { old: checkpoints, signatures: QUORUM }))
  assert.deepEqual([status, said], [0, ''])
  for (const line of output.trim().split('\n')) t.diagnostic(line)
  assert.match(output, /^inclusion +all 650 entries proven/m)
  assert.match(output, /^consistency all 650 sizes proven/m)
  for (const size of SIZES)
    assert.match(output, new RegExp(`^consistency with the signed checkpoint of ${size} entries$`, 'm'))
  // Two full tiles of level 0, and the third and that of level 1 at each width that they had.
  assert.match(output, /^tiles +all 142 are what the entries make, 140 of them partial$/m)
})

/** Flips one bit of what is served at `path`: of its fourth hash, or inside its first entry. */
const flipIn =
  (path: string): Tamper =>
  (asked, body) => {
    if (asked !== path) return body
    const bytes = Buffer.from(body)
    bytes[Math.min(100, bytes.length - 1)]! ^= 1
    return bytes
  }

const inCheckpoint =
  (change: (note: string) => string): Tamper =>
  (asked, body) =>
    asked === '/checkpoint' ? Buffer.from(change(Buffer.from(body).toString())) : body

const forgeries: { what: string; tamper: Tamper; refusal: RegExp }[] = [
  {
    what: 'full tile',
    tamper: flipIn('/tile/0/001'),
    refusal: /inconsistent tile|entry 256: invalid transparency proof/,
  },
  { what: 'partial tile', tamper: flipIn('/tile/0/002.p/138'), refusal: /downloaded inconsistent tile/ },
  { what: 'tile of the level above', tamper: flipIn('/tile/1/000.p/2'), refusal: /downloaded inconsistent tile/ },
  { what: 'full bundle', tamper: flipIn('/tile/entries/000'), refusal: /entry 0: invalid transparency proof/ },
  {
    what: 'partial bundle',
    tamper: flipIn('/tile/entries/002.p/138'),
    refusal: /entry 512: invalid transparency proof/,
  },
  {
    what: 'bundle that goes on',
    tamper: (path, body) => (path === '/tile/entries/001' ? Buffer.concat([body, Buffer.alloc(2)]) : body),
    refusal: /it goes on after 256 entries/,
  },
  {
    what: 'checkpoint of a smaller size',
    tamper: inCheckpoint((note) => note.replace('\n650\n', '\n649\n')),
    refusal: /checkpoint: invalid signature/,
  },
  {
    what: 'checkpoint of another origin',
    tamper: inCheckpoint((note) => note.replace('coalition/', 'coalitiom/')),
    refusal: /checkpoint: (?:invalid signature|note has no verifiable signatures)/,
  },
  {
    what: 'checkpoint that nobody known signed',
    tamper: inCheckpoint((note) =>
      note.replace(/\n\n.*$/s, `\n\n— someone ${Buffer.alloc(68, 1).toString('base64')}\n`),
    ),
    refusal: /checkpoint: note has no verifiable signatures/,
  },
]
for (const { what, tamper, refusal } of forgeries)
  test(`Go’s packages refuse a tampered ${what}`, { skip }, async (t) => {
    const refused = await withTamperedLog(log.url, tamper, (url) => read(argsFor(url)))
    t.diagnostic(refused.said.trim())
    assert.equal(refused.status, 1)
    assert.match(refused.said, refusal)
  })

test('Go’s packages refuse an earlier checkpoint of another history, though a member signed it', {
  skip,
}, async (t) => {
  const key = await readKeystore({ path: keystorePath('member-0'), password: readPasswordFile(PASSWORD_FILE) })
  const signer = createEd25519Signer({ name: chronicle.origin, seed: key.noteSeed })
  const { origin } = chronicle
  const text = encodeCheckpoint({ origin, size: 256n, root: new Uint8Array(32).fill(7), extensions: [] })
  const path = join(dir, 'another-history')
  writeFileSync(path, signNote({ text, signers: [signer] }))
  const refused = await read(argsFor(log.url, { old: [path] }))
  t.diagnostic(refused.said.trim())
  assert.equal(refused.status, 1)
  assert.match(refused.said, /consistency from 256: invalid transparency proof/)
})
