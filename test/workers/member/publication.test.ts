import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { unlockKey } from '../../../client/keystore.ts'
import { fromHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/hash.ts'
import { encodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import { encodeLogOrigin } from '../../../protocol/log/logOrigin.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { createEd25519Signer, type NoteSigner, signNote } from '../../../protocol/log/signNote.ts'
import { type VerifiedCheckpoint, verifyCheckpoint } from '../../../protocol/log/verifyCheckpoint.ts'
import type { Member } from '../../../protocol/wire/committee.ts'
import { createCheckpointSigner, createMemberVerifiers } from '../../../workers/member/checkpointer.ts'
import { createPublication, PERIOD_MS, type Publication } from '../../../workers/member/publication.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'

const origin = encodeLogOrigin(`0x${'ab'.repeat(32)}`)
const keys = createTestMembers(4).map(({ secretKey }) => unlockKey(secretKey))
const committee: readonly Member[] = keys.map(({ signer, noteKey }) => ({ signer, noteKey }))
const verifiers = keys.map(({ noteKey }) =>
  createNoteVerifier({ name: origin, algorithm: 'ed25519', publicKey: fromHex(noteKey) }),
)
const rootOf = (size: bigint): Uint8Array => sha256(new TextEncoder().encode(`root of ${size}`))
const textOf = (size: bigint): string => encodeCheckpoint({ origin, size, root: rootOf(size), extensions: [] })
const genesis = { size: 0n, root: rootOf(0n), timestampMs: 0n }

type Node = {
  publication: Publication
  drops: string[]
  errors: string[]
  /** Notes that it sent, in order. */
  sent: Uint8Array[]
}

/** Publications on one network and one clock, both moved by hand: what is sent arrives when the test delivers it. */
function createWorld({ members = committee, signers }: { members?: readonly Member[]; signers?: NoteSigner[] } = {}) {
  let nowMs = 1_000_000
  const queue: { from: number; note: Uint8Array }[] = []
  const create = (signer: NoteSigner, index: number): Node => {
    const node: Node = { drops: [], errors: [], sent: [] } as unknown as Node
    const logger = pino({ level: 'error' }, { write: (line: string) => void node.errors.push(line) })
    node.publication = createPublication(
      {
        signer,
        members: () => members,
        send: (note) => {
          node.sent.push(note)
          queue.push({ from: index, note })
        },
        drop: (reason) => node.drops.push(reason),
        logger,
        clock: { nowMs: () => nowMs },
      },
      genesis,
    )
    return node
  }
  const nodes = (signers ?? keys.map((key) => createCheckpointSigner({ key, origin }))).map(create)
  return {
    nodes,
    /** Everybody's own frames come back to it, as they do from a stream. */
    deliver(isDelivered: (of: { from: number; to: number }) => boolean = () => true): void {
      for (let each = queue.shift(); each !== undefined; each = queue.shift()) {
        const { from, note } = each
        nodes.forEach(({ publication }, to) => {
          if (isDelivered({ from, to })) publication.receive(note)
        })
      }
    },
    pass(ms: number): void {
      nowMs += ms
    },
    tick(): void {
      for (const { publication } of nodes) publication.tick()
    },
    restart(index: number): void {
      nodes[index] = create(createCheckpointSigner({ key: keys[index]!, origin }), index)
    },
  }
}

const headAt = (size: bigint, timestampMs: bigint) => ({ size, root: rootOf(size), timestampMs })

const open = ({ publication }: Node, signaturesMin = 3): VerifiedCheckpoint =>
  verifyCheckpoint({ note: publication.checkpoint(), origin, verifiers, signaturesMin })

test('publication: a decided head has every member’s signature at every member', () => {
  const { nodes, deliver } = createWorld()
  for (const { publication } of nodes) publication.decided(headAt(5n, 10_000n))
  deliver()
  for (const node of nodes) {
    assert.equal(open(node, 4).size, 5n)
    assert.deepEqual(node.sent.length, 1)
  }
})

test('publication: members that are told of heads at different times sign the same ones', () => {
  const { nodes, deliver, pass, tick } = createWorld()
  const heads = Array.from({ length: 100 }, (_, index) => headAt(BigInt(index + 1), 10_000n + 20n * BigInt(index)))
  const served = nodes.map(() => 0n)
  heads.forEach((_, at) => {
    pass(20)
    // Each is three heads behind the one before.
    nodes.forEach(({ publication }, index) => {
      const head = heads[at - 3 * index]
      if (head !== undefined) publication.decided(head)
    })
    if (at % 25 === 24) tick()
    deliver()
    nodes.forEach((node, index) => {
      if (at < 40 || at % 5 !== 0) return
      // 25 heads are half a second, and the slowest of a quorum is six behind.
      const { size } = open(node)
      assert.ok(size >= BigInt(at - 3 * index - 32) && size >= served[index]!, `${size} at ${at}`)
      served[index] = size
    })
  })
  for (const { sent } of nodes) assert.ok(sent.length <= 5, `${sent.length}`)
})

test('publication: what nothing follows is signed by all, half a second later', () => {
  const { nodes, deliver, pass, tick } = createWorld()
  for (const timestampMs of [10_000n, 10_100n, 10_200n]) {
    for (const { publication } of nodes) publication.decided(headAt(timestampMs / 100n, timestampMs))
  }
  deliver()
  assert.equal(open(nodes[0]!).size, 100n)
  tick()
  pass(PERIOD_MS)
  tick()
  deliver()
  for (const node of nodes) assert.equal(open(node, 4).size, 102n)
})

test('publication: what was lost is said again until a quorum has signed, and then no more', () => {
  const { nodes, deliver, pass, tick } = createWorld()
  for (const { publication } of nodes) publication.decided(headAt(5n, 10_000n))
  deliver(() => false)
  assert.throws(() => open(nodes[0]!), { code: 'CHECKPOINT_SIGNATURES' })
  for (let ms = 0; ms < 10_000; ms += PERIOD_MS) {
    pass(PERIOD_MS)
    tick()
    deliver()
  }
  for (const node of nodes) {
    assert.equal(open(node, 4).size, 5n)
    assert.equal(node.sent.length, 2)
  }
})

test('publication: a member that was restarted is told what the others have', () => {
  const { nodes, deliver, pass, tick, restart } = createWorld()
  for (const { publication } of nodes) publication.decided(headAt(5n, 10_000n))
  deliver()
  restart(2)
  nodes[2]!.publication.decided(headAt(5n, 10_000n))
  deliver()
  assert.equal(open(nodes[2]!).size, 5n)
  // The answers answer nobody.
  const sentCount = nodes.reduce((sum, { sent }) => sum + sent.length, 0)
  for (let ms = 0; ms < 10_000; ms += PERIOD_MS) {
    pass(PERIOD_MS)
    tick()
    deliver()
  }
  assert.equal(
    nodes.reduce((sum, { sent }) => sum + sent.length, 0),
    sentCount,
  )
})

test('publication: where no quorum signs for two seconds the newest head is served with what there is, and never an older one', () => {
  const { nodes, deliver, pass } = createWorld()
  for (const { publication } of nodes) publication.decided(headAt(5n, 10_000n))
  deliver()
  const alone = nodes[0]!
  alone.publication.decided(headAt(6n, 20_000n))
  deliver(() => false)
  assert.equal(open(alone).size, 5n)
  pass(2_001)
  assert.deepEqual([open(alone, 1).size, open(alone, 1).verified.length], [6n, 1])
  for (const timestampMs of [20_600n, 20_700n]) alone.publication.decided(headAt(timestampMs / 100n, timestampMs))
  pass(2_001)
  assert.equal(open(alone, 1).size, 207n)
  for (const { publication } of nodes.slice(1)) publication.decided(headAt(206n, 20_600n))
  deliver()
  assert.equal(open(nodes[1]!).size, 206n)
  assert.equal(open(alone, 1).size, 207n)
})

test('publication: a signature that came before its head counts once the head is decided', () => {
  const { nodes, deliver } = createWorld()
  for (const { publication } of nodes.slice(1)) publication.decided(headAt(5n, 10_000n))
  deliver()
  nodes[0]!.publication.decided(headAt(5n, 10_000n))
  assert.equal(open(nodes[0]!, 4).size, 5n)
})

test('publication: a committee of one is its own quorum', () => {
  const { nodes } = createWorld({
    members: committee.slice(0, 1),
    signers: [createCheckpointSigner({ key: keys[0]!, origin })],
  })
  nodes[0]!.publication.decided(headAt(5n, 10_000n))
  assert.deepEqual([open(nodes[0]!, 1).size, nodes[0]!.sent.length], [5n, 1])
})

test('publication: where too few members have note keys each serves its own word, and asks nobody', () => {
  const members = committee.map(({ signer, noteKey }, index) =>
    index < 2 ? { signer, noteKey: noteKey! } : { signer },
  )
  const { nodes, deliver, pass, tick } = createWorld({ members })
  for (const { publication } of nodes) publication.decided(headAt(5n, 10_000n))
  for (let ms = 0; ms < 10_000; ms += PERIOD_MS) {
    pass(PERIOD_MS)
    tick()
    deliver()
  }
  assert.equal(open(nodes[0]!, 2).size, 5n)
  assert.equal(nodes[0]!.sent.length, 1)
})

const forged: { what: string; note: () => Uint8Array; drops: string[] }[] = [
  {
    what: 'a signature that is not the member’s',
    note: () => signNote({ text: textOf(5n), signers: [{ ...signerOf(1), sign: () => new Uint8Array(64) }] }),
    drops: ['note'],
  },
  {
    what: 'a good signature beside one that is not',
    note: () =>
      signNote({ text: textOf(5n), signers: [signerOf(1), { ...signerOf(2), sign: () => new Uint8Array(64) }] }),
    drops: ['note'],
  },
  {
    what: 'a forged signature over a head that is to come',
    note: () => signNote({ text: textOf(9n), signers: [{ ...signerOf(1), sign: () => new Uint8Array(64) }] }),
    drops: ['note'],
  },
  {
    what: 'a stranger’s signature',
    note: () =>
      signNote({
        text: textOf(5n),
        signers: [createEd25519Signer({ name: origin, seed: new Uint8Array(32).fill(9) })],
      }),
    drops: [],
  },
  {
    what: 'another log’s checkpoint',
    note: () =>
      signNote({
        text: encodeCheckpoint({ origin: 'another', size: 5n, root: rootOf(5n), extensions: [] }),
        signers: [signerOf(1)],
      }),
    drops: ['component'],
  },
  {
    what: 'text that is no checkpoint',
    note: () => signNote({ text: 'hello\n', signers: [signerOf(1)] }),
    drops: ['malformed'],
  },
  { what: 'bytes that are no note', note: () => Uint8Array.of(1, 2, 3), drops: ['malformed'] },
  { what: 'more bytes than a note of ours has', note: () => new Uint8Array((1 << 15) + 1), drops: ['oversized'] },
]
const signerOf = (index: number): NoteSigner => createCheckpointSigner({ key: keys[index]!, origin })

for (const { what, note, drops } of forged)
  test(`publication: takes nothing from ${what}`, () => {
    const { nodes } = createWorld()
    const [node] = nodes
    node!.publication.decided(headAt(5n, 10_000n))
    node!.publication.receive(note())
    assert.deepEqual(node!.drops, drops)
    assert.equal(open(node!, 1).verified.length, 1)
    assert.equal(open(node!, 1).unverified.length, 0)
  })

test('publication: says so where a member signed another head of a size, and does not serve it', () => {
  const { nodes } = createWorld()
  const [node] = nodes
  node!.publication.decided(headAt(5n, 10_000n))
  const text = encodeCheckpoint({ origin, size: 5n, root: rootOf(6n), extensions: [] })
  node!.publication.receive(signNote({ text, signers: [signerOf(1)] }))
  assert.match(node!.errors.join(''), /signed another head of this size/)
  assert.equal(open(node!, 1).verified.length, 1)
})

test('createMemberVerifiers: agrees with the portable verifier, and leaves out keys of small order and of no point', () => {
  const message = new TextEncoder().encode(textOf(5n))
  const [verifier] = createMemberVerifiers(committee, { origin })
  const signature = signerOf(0).sign(message)
  assert.equal(verifier!.keyId, verifiers[0]!.keyId)
  for (const tried of [signature, signature.with(0, signature[0]! ^ 1), signature.slice(1), new Uint8Array(64)]) {
    assert.equal(verifier!.isSigned(message, tried), verifiers[0]!.isSigned(message, tried))
  }
  const weak = [`0x01${'00'.repeat(31)}`, `0x02${'00'.repeat(31)}`] as const
  const members = weak.map((noteKey, index): Member => ({ signer: keys[index]!.signer, noteKey }))
  assert.deepEqual(createMemberVerifiers(members, { origin }), [])
})
