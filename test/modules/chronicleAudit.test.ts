import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPONENTS_MAX } from '../../modules/chronicle/audit.ts'
import { type ChronicleState, chronicle } from '../../modules/chronicle/machine.ts'
import { ComponentsFullError, ConfigElsewhereError, ConfigPublishedError } from '../../modules/chronicle/publication.ts'
import {
  ComponentUnpublishedError,
  EndOutOfTurnError,
  EndUnprovenError,
  OwnEndError,
  RetirementRecordedError,
} from '../../modules/chronicle/recordEnd.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import type { CoalitionConfig } from '../../protocol/identity/coalition.ts'
import {
  ConfigIdMismatchError,
  toHex as configToHex,
  TruncatedConfigError,
} from '../../protocol/identity/configCodec.ts'
import { CertificateRefusedError } from '../../protocol/wire/certificate.ts'
import { encodeChronicleCommand, PUBLISHED_CONFIG_SIZE_MAX_BYTES } from '../../protocol/wire/chronicleCommand.ts'
import { type ChronicleEntry, decodeChronicleEntry } from '../../protocol/wire/chronicleEntry.ts'
import { encodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import type { RecordedEnd } from '../../protocol/wire/recordedEnd.ts'
import { deriveStateRoot } from '../../protocol/wire/stateTree.ts'
import {
  atlas,
  atlasMembers,
  base,
  baseFile,
  chronicleMembers,
  committeeOf,
  component,
  configOf,
  confluence,
  issuer,
  nextAtlasMembers,
  publish,
  retire,
  rotate,
  submitter,
} from './auditWorld.ts'
import { testMachine } from './machineHarness.ts'

const parameters = encodeChronicleParameters({
  submitters: [submitter],
  anchorEveryCommits: 3,
  anchorEverySeconds: 10,
})
const commandOf = (payload: Uint8Array, sequence = 1n) => ({ component, submitter, sequence, index: 0, payload })
const record = (end: RecordedEnd): Uint8Array => encodeChronicleCommand(end)
const context = { height: 1n, timestampMs: 1n }

/** Gives the commands to a Chronicle, one after the other. @throws what it refuses one with. */
function run(payloads: readonly Uint8Array[], from: ChronicleState = chronicle.genesis(parameters)) {
  let state = from
  const entries: (ChronicleEntry | undefined)[] = []
  for (const payload of payloads) {
    chronicle.validate(state, commandOf(payload))
    const applied = chronicle.apply(state, commandOf(payload), context)
    state = applied.state
    entries.push(...applied.events.map(decodeChronicleEntry))
  }
  return { state, entries }
}

const [mainnet, unichain] = base.lattices.map((lattice) => lattice.stableId()) as [Hex, Hex]
const oracle = base.organisms[0]!.stableId()
const base2 = { name: 'base.mainnet', chainId: 8453 }
/** unichain leaves, base comes. */
const changed = configOf({ lattices: [baseFile.lattices[0], base2] })
const rotation = rotate({ component: atlas, members: atlasMembers, next: nextAtlasMembers })
const retirement = retire({
  component: atlas,
  members: nextAtlasMembers,
  epoch: 1n,
  successor: issuer,
  reason: 'moved',
})

testMachine({
  name: 'chronicle as audit log',
  machine: chronicle,
  parameters,
  commands: [
    encodeChronicleCommand({ kind: 'recordStatement', statement: new Uint8Array([1]) }),
    publish(base),
    record(rotation),
    publish(changed),
    record(retirement),
    record(retire({ component: confluence, members: committeeOf(8, 9) })),
  ].map((payload, index) => commandOf(payload, BigInt(index + 1))),
  refused: [publish(changed), record(rotation), record(retirement), publish(base).subarray(0, 320)].map((payload) =>
    commandOf(payload, 7n),
  ),
})

test('chronicle: bytes of a state that publishes nothing are those of before there were publications', () => {
  // Made by the release that knew statements alone; stores hold such snapshots.
  const word = (digits: string): string => digits.padStart(64, '0')
  const before: Hex = `0x${[0, 0, 0].map(() => word('')).join('')}${['3e8', '60', '3', 'a', '1', '51'.repeat(20)].map(word).join('')}`
  const submitters: Hex[] = [`0x${'51'.repeat(20)}`]
  const genesis = chronicle.genesis(
    encodeChronicleParameters({ submitters, anchorEveryCommits: 3, anchorEverySeconds: 10 }),
  )
  const payload = encodeChronicleCommand({ kind: 'recordStatement', statement: new TextEncoder().encode('{"n":1}') })
  const command = { component, submitter: submitters[0]!, sequence: 1n, index: 0, payload }
  const { state } = chronicle.apply(genesis, command, { height: 1n, timestampMs: 1_000n })
  assert.equal(toHex(chronicle.snapshot(state)), before)
  assert.deepEqual(chronicle.restore(fromHex(before)), state)
  const root = '0x9751993fec57046f7de4edcf966156bd4bf0bf03a64b4f1cd98ecb24c84cd531'
  assert.equal(deriveStateRoot(chronicle.items(state)), root)
})

test('chronicle: a first publication says who belongs, in the order of the config', () => {
  const coalitionId = base.coalitionId()
  assert.deepEqual(run([publish(base)]).entries, [
    {
      kind: 'coalitionPublished',
      coalitionId,
      coalitionRoot: base.coalitionRoot(),
      configHash: toHex(keccak256(fromHex(configToHex(base)))),
      submitter,
    },
    { kind: 'citizenAdded', coalitionId, citizen: mainnet, citizenKind: 'lattice', label: 'ethereum.mainnet' },
    { kind: 'citizenAdded', coalitionId, citizen: unichain, citizenKind: 'lattice', label: 'unichain.mainnet' },
    { kind: 'citizenAdded', coalitionId, citizen: oracle, citizenKind: 'organism', label: 'oracle' },
  ] satisfies ChronicleEntry[])
})

test('chronicle: a republication supersedes the last config and says what changed, and nothing else', () => {
  const { state } = run([publish(base)])
  const { entries } = run([publish(changed)], state)
  const coalitionId = changed.coalitionId()
  assert.deepEqual(entries.slice(1), [
    { kind: 'coalitionSuperseded', coalitionId: base.coalitionId(), supersededBy: coalitionId },
    { kind: 'citizenRemoved', coalitionId, citizen: unichain, citizenKind: 'lattice' },
    {
      kind: 'citizenAdded',
      coalitionId,
      citizen: changed.lattices[1]!.stableId(),
      citizenKind: 'lattice',
      label: 'base.mainnet',
    },
  ] satisfies ChronicleEntry[])
})

test('chronicle: a citizen that becomes of the other kind leaves and comes', () => {
  const lists = (isLattice: boolean) =>
    configOf({
      lattices: isLattice ? [{ name: 'one', chainId: 1, stableId: mainnet }] : [],
      organisms: isLattice ? [] : [{ role: 'one', stableId: mainnet }],
    })
  const { entries } = run([publish(lists(false))], run([publish(lists(true))]).state)
  assert.deepEqual(
    entries.map((entry) => entry && 'citizenKind' in entry && [entry.kind, entry.citizenKind]),
    [false, false, ['citizenRemoved', 'lattice'], ['citizenAdded', 'organism']],
  )
})

test('chronicle: an earlier config may be published again, the last one may not', () => {
  const { state } = run([publish(base), publish(changed)])
  assert.throws(() => run([publish(changed)], state), ConfigPublishedError)
  const { entries } = run([publish(base)], state)
  assert.equal(entries[1]?.kind, 'coalitionSuperseded')
})

test('chronicle: refuses a config that names another Chronicle, or none', () => {
  const { chronicle: _, ...rest } = baseFile.modules
  const others: CoalitionConfig[] = [
    configOf({ name: 'another.test' }),
    configOf({ modules: rest }),
    configOf({ modules: { ...rest, chronicle: { ...baseFile.modules.chronicle, members: atlasMembers } } }),
  ]
  for (const other of others) assert.throws(() => run([publish(other)]), ConfigElsewhereError)
})

test('chronicle: refuses bytes that are no config, by the error that config codecs have for it', () => {
  const bytes = fromHex(configToHex(base))
  const publishBytes = (config: Uint8Array) => encodeChronicleCommand({ kind: 'publishCoalition', config })
  assert.throws(() => run([publishBytes(bytes.subarray(0, bytes.length - 32))]), TruncatedConfigError)
  const forged = Uint8Array.from(bytes)
  forged[40]! ^= 1
  assert.throws(() => run([publishBytes(forged)]), ConfigIdMismatchError)
  // The one that was decoded last is remembered: its neighbour must not pass for it.
  assert.equal(run([publishBytes(bytes)]).entries.length, 4)
  assert.throws(() => run([publishBytes(forged)]), ConfigIdMismatchError)
})

test('chronicle: refuses an empty config and one that is too large before it looks inside', () => {
  const fits = encodeChronicleCommand({ kind: 'publishCoalition', config: new Uint8Array(32) })
  for (const sizeBytes of [0, PUBLISHED_CONFIG_SIZE_MAX_BYTES + 1]) {
    const command = new Uint8Array(96 + Math.ceil(sizeBytes / 32) * 32)
    command.set(fits.subarray(0, 64))
    new DataView(command.buffer).setUint32(92, sizeBytes)
    assert.throws(() => run([command]), { code: 'PUBLISHED_CONFIG_SIZE' })
    const config = new Uint8Array(sizeBytes)
    assert.throws(() => encodeChronicleCommand({ kind: 'publishCoalition', config }), { code: 'PUBLISHED_CONFIG_SIZE' })
  }
})

test('chronicle: watches a bounded number of components, those that configs named once included', () => {
  const confluences = (from: number, count: number) =>
    configOf({
      confluences: Array.from({ length: count }, (_, index) => ({
        ...baseFile.confluences[0],
        name: `c${from + index}`,
      })),
    })
  // Atlas and issuer are watched as well.
  const { state } = run([publish(confluences(0, 200)), publish(confluences(200, 200))])
  const left = COMPONENTS_MAX - 402
  assert.throws(() => run([publish(confluences(400, left + 1))], state), ComponentsFullError)
  const full = run([publish(confluences(400, left))], state).state
  assert.equal(full.audit?.components.size, COMPONENTS_MAX)
  assert.equal(run([publish(confluences(0, 200))], full).state.audit?.components.size, COMPONENTS_MAX)
  assert.deepEqual(chronicle.restore(chronicle.snapshot(full)), full)
})

const published = run([publish(base)]).state

test('chronicle: records rotations in turn, each by the committee that the one before it named', () => {
  const { entries } = run([record(rotation), record(retirement)], published)
  const componentId = base.atlas()!.componentId()
  const { commit } = rotation
  assert.deepEqual(entries, [
    {
      kind: 'committeeRotated',
      component: atlas,
      componentKind: 'atlas',
      componentId,
      height: commit.height,
      timestampMs: commit.timestampMs,
      commitDigest: deriveCommitDigest(commit),
      newEpoch: 1n,
      newCommitteeHash: rotation.newCommitteeHash,
    },
    {
      kind: 'moduleRetired',
      component: atlas,
      componentKind: 'atlas',
      componentId,
      height: retirement.commit.height,
      timestampMs: retirement.commit.timestampMs,
      commitDigest: deriveCommitDigest(retirement.commit),
      successor: issuer,
      reason: 'moved',
    },
  ] satisfies ChronicleEntry[])
})

test('chronicle: records the retirement of a confluence as such, and an issuer’s as a module’s', () => {
  const ends = [
    retire({ component: confluence, members: committeeOf(8, 9) }),
    retire({ component: issuer, members: committeeOf(11) }),
  ]
  const { entries } = run(ends.map(record), published)
  assert.deepEqual(
    entries.map((entry) => entry && 'componentKind' in entry && [entry.kind, entry.componentKind]),
    [
      ['confluenceRetired', 'confluence'],
      ['moduleRetired', 'tickets'],
    ],
  )
})

test('chronicle: records the end of a component that only an earlier config named', () => {
  const without = configOf({ confluences: [] })
  const end = record(retire({ component: confluence, members: committeeOf(8, 9) }))
  assert.equal(run([publish(without), end], published).entries.at(-1)?.kind, 'confluenceRetired')
})

const forgeries: { name: string; end: RecordedEnd; error: new (...options: never[]) => Error; reason?: RegExp }[] = [
  {
    name: 'its own rotation',
    end: rotate({ component, members: chronicleMembers, next: nextAtlasMembers }),
    error: OwnEndError,
  },
  {
    name: 'a component that no config names',
    end: retire({ component: `0x${'77'.repeat(32)}`, members: atlasMembers }),
    error: ComponentUnpublishedError,
  },
  {
    name: 'an epoch that is to come',
    end: rotate({ component: atlas, members: nextAtlasMembers, epoch: 1n, next: atlasMembers }),
    error: EndOutOfTurnError,
  },
  {
    name: 'another committee',
    end: rotate({ component: atlas, members: nextAtlasMembers, next: nextAtlasMembers }),
    error: EndUnprovenError,
    reason: /committee is not that of epoch 0/,
  },
  {
    name: 'the committee of another component',
    end: retire({ component: confluence, members: atlasMembers }),
    error: EndUnprovenError,
    reason: /committee is not that of epoch 0/,
  },
  {
    name: 'other details than the committee’s',
    end: { ...rotation, committee: { ...rotation.committee, details: `0x${'01'.repeat(32)}` } },
    error: EndUnprovenError,
    reason: /committee is not/,
  },
  {
    name: 'another next committee than was certified',
    end: { ...rotation, newCommitteeHash: `0x${'01'.repeat(32)}` },
    error: EndUnprovenError,
    reason: /decides something else/,
  },
  {
    name: 'a rotation that skips an epoch',
    end: { ...rotation, newEpoch: 2n },
    error: EndUnprovenError,
    reason: /epoch 2 does not follow epoch 0/,
  },
  {
    name: 'a commit that ends nothing',
    end: rotate({
      component: atlas,
      members: atlasMembers,
      next: atlasMembers,
      commit: { next: `0x${'00'.repeat(32)}` },
    }),
    error: EndUnprovenError,
    reason: /decides something else/,
  },
  {
    name: 'a marker of another height',
    end: (() => {
      const end = retire({ component: atlas, members: atlasMembers })
      return { ...end, commit: { ...end.commit, height: 2n } }
    })(),
    error: EndUnprovenError,
    reason: /decides something else/,
  },
  {
    name: 'another reason than was certified',
    end: { ...retire({ component: atlas, members: atlasMembers, reason: 'a' }), reason: 'b' },
    error: EndUnprovenError,
    reason: /decides something else/,
  },
  {
    name: 'a commit that was changed after it was certified',
    end: { ...rotation, commit: { ...rotation.commit, logSize: 4n } },
    error: CertificateRefusedError,
  },
  {
    name: 'a certificate of another round',
    end: { ...rotation, certificate: { ...rotation.certificate, round: 0 } },
    error: CertificateRefusedError,
  },
  {
    name: 'a certificate that lacks a signature',
    end: {
      ...rotation,
      certificate: { ...rotation.certificate, signatures: rotation.certificate.signatures.slice(0, -128) as Hex },
    },
    error: CertificateRefusedError,
  },
  {
    name: 'a certificate of too few',
    end: {
      ...rotation,
      certificate: {
        ...rotation.certificate,
        signers: 3n,
        signatures: rotation.certificate.signatures.slice(0, 2 + 2 * 128) as Hex,
      },
    },
    error: CertificateRefusedError,
  },
]

for (const { name, end, error, reason = /./ } of forgeries) {
  test(`chronicle: refuses to record ${name}`, () => {
    assert.throws(
      () => run([record(end)], published),
      (thrown: Error) => thrown instanceof error && reason.test(thrown.message),
    )
  })
}

test('chronicle: records nothing before a config was published', () => {
  assert.throws(() => run([record(rotation)]), ComponentUnpublishedError)
})

test('chronicle: records no rotation and no retirement twice, and nothing after a retirement', () => {
  const rotated = run([record(rotation)], published).state
  assert.throws(() => run([record(rotation)], rotated), EndOutOfTurnError)
  const retired = run([record(retirement)], rotated).state
  const after = rotate({ component: atlas, members: nextAtlasMembers, epoch: 1n, next: atlasMembers })
  for (const end of [retirement, after]) assert.throws(() => run([record(end)], retired), RetirementRecordedError)
})

test('chronicle: a rotation survives that its component is published again', () => {
  const { state } = run([record(rotation), publish(changed)], published)
  assert.equal(run([record(retirement)], state).entries[0]?.kind, 'moduleRetired')
})
