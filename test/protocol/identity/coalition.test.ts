import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UniqueId } from '../../../protocol/bytes.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { deriveContentHash } from '../../../protocol/identity/component.ts'
import type { CoalitionFile } from '../../../protocol/identity/configFile.ts'
import { defineConfluence } from '../../../protocol/identity/confluence.ts'
import { deriveAll } from '../../../protocol/identity/derivation.ts'
import { defineLattice } from '../../../protocol/identity/lattice.ts'
import { defineOrganism } from '../../../protocol/identity/organism.ts'
import { encodeAlmanacParameters } from '../../../protocol/wire/almanacParameters.ts'
import { encodeAtlasParameters } from '../../../protocol/wire/atlasParameters.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { deriveCommitteeHash } from '../../../protocol/wire/committee.ts'

/** What spec §3 says that its formulas imply. */

const word = (byte: string): UniqueId => `0x${byte.repeat(32)}`
const mainnet = { name: 'ethereum.mainnet', chainId: 1 }
const unichain = { name: 'unichain.mainnet', chainId: 130 }
const oracle = { role: 'oracle', name: 'price-feed.eur' }
const component = { contentHash: word('c0'), committee: word('c1') }
const spans = [defineLattice(mainnet).stableId(), defineLattice(unichain).stableId()]
const intents = { name: 'intents.superchain', spans, ...component }
const mixed: CoalitionFile = {
  schemaVersion: 1,
  name: 'ethereum.superchain',
  lattices: [mainnet, unichain],
  organisms: [oracle],
  confluences: [intents],
  modules: { atlas: component, chronicle: component },
  ticketIssuer: { name: 'superchain.tickets', committee: word('c1') },
}
const derived = deriveAll(defineCoalition(mixed))

test('the root ignores a citizen’s content-hash pin, and the coalition id folds it', () => {
  const pins = [
    { lattices: [{ ...mainnet, contentHash: word('aa') }, unichain] },
    { organisms: [{ ...oracle, contentHash: word('aa') }] },
  ]
  for (const pin of pins) {
    const pinned = deriveAll(defineCoalition({ ...mixed, ...pin }))
    assert.equal(pinned.coalitionRoot, derived.coalitionRoot)
    assert.notEqual(pinned.coalitionId, derived.coalitionId)
  }
})

test('a citizen’s and a confluence’s ids do not depend on any coalition', () => {
  const elsewhere = deriveAll(defineCoalition({ ...mixed, name: 'elsewhere', lattices: [unichain, mainnet] }))
  assert.deepEqual(elsewhere.lattices.toReversed(), derived.lattices)
  assert.deepEqual(elsewhere.organisms, derived.organisms)
  assert.deepEqual(elsewhere.confluences, derived.confluences)
  const alone = [defineLattice(mainnet), defineOrganism(oracle)]
  const listed = [derived.lattices[0], derived.organisms[0]]
  alone.forEach((citizen, index) => {
    assert.equal(citizen.stableId(), listed[index]?.stableId)
    assert.equal(citizen.fingerprint(), listed[index]?.fingerprint)
  })
  assert.equal(defineConfluence(intents).fingerprint(), derived.confluences[0]?.fingerprint)
})

test('moving an id from one list to another changes the root', () => {
  const [, stableId] = spans as [UniqueId, UniqueId]
  const two = defineCoalition({ schemaVersion: 1, name: 'a', lattices: [mainnet, unichain] })
  const moved = { lattices: [mainnet], organisms: [{ role: 'lattice', stableId }] }
  assert.notEqual(defineCoalition({ schemaVersion: 1, name: 'a', ...moved }).coalitionRoot(), two.coalitionRoot())
})

test('the order of each list matters', () => {
  const tally = { ...intents, name: 'tally' }
  const pairs: [Partial<CoalitionFile>, Partial<CoalitionFile>][] = [
    [{ lattices: [mainnet, unichain] }, { lattices: [unichain, mainnet] }],
    [{ organisms: [oracle, { role: 'b', name: 'b' }] }, { organisms: [{ role: 'b', name: 'b' }, oracle] }],
    [{ confluences: [intents, tally] }, { confluences: [tally, intents] }],
    [{ confluences: [intents] }, { confluences: [{ ...intents, spans: spans.toReversed() }] }],
  ]
  for (const [one, other] of pairs) {
    const ids = [one, other].map((lists) => deriveAll(defineCoalition({ schemaVersion: 1, name: 'a', ...lists })))
    assert.notEqual(ids[0]?.coalitionRoot, ids[1]?.coalitionRoot)
    assert.notEqual(ids[0]?.coalitionId, ids[1]?.coalitionId)
  }
})

test('an empty coalition, lattices alone, organisms alone and mixes derive to different ids', () => {
  const files = [
    {},
    { organisms: [oracle, { role: 'attest', name: 'attest.eu' }] },
    { lattices: [mainnet, unichain] },
    { lattices: [mainnet], organisms: [oracle] },
  ]
  const ids = files.map((lists) => defineCoalition({ schemaVersion: 1, name: 'a', ...lists }).coalitionId())
  assert.equal(new Set(ids).size, files.length)
})

test('adding a citizen changes root and coalition id, and no component id or key', () => {
  const grown = deriveAll(defineCoalition({ ...mixed, organisms: [oracle, { role: 'attest', name: 'attest.eu' }] }))
  assert.notEqual(grown.coalitionRoot, derived.coalitionRoot)
  assert.notEqual(grown.coalitionId, derived.coalitionId)
  for (const name of ['atlas', 'chronicle'] as const) {
    assert.notEqual(grown.modules[name]?.root, derived.modules[name]?.root)
    assert.notEqual(grown.modules[name]?.fingerprint, derived.modules[name]?.fingerprint)
    assert.equal(grown.modules[name]?.componentId, derived.modules[name]?.componentId)
    assert.equal(grown.modules[name]?.componentKey, derived.modules[name]?.componentKey)
  }
  assert.equal(grown.ticketIssuer?.componentKey, derived.ticketIssuer?.componentKey)
  assert.equal(grown.confluences[0]?.componentKey, derived.confluences[0]?.componentKey)
})

test('the committee and the validators change the acl, so the fingerprint; the key knows the committee alone', () => {
  const fingerprintOf = (changes: object) => defineConfluence({ ...intents, ...changes })
  const [plain, otherCommittee, otherValidators] = [
    fingerprintOf({}),
    fingerprintOf({ committee: word('c2') }),
    fingerprintOf({ validators: word('c2') }),
  ]
  const prints = [plain, otherCommittee, otherValidators].map((confluence) => confluence.fingerprint())
  assert.equal(new Set(prints).size, 3)
  const atlasOf = (changes: object) =>
    defineCoalition({ ...mixed, modules: { atlas: { ...component, ...changes } } }).atlas()
  assert.equal(atlasOf({ validators: word('c2') })?.componentKey(), atlasOf({})?.componentKey())
  assert.notEqual(atlasOf({ committee: word('c2') })?.componentKey(), atlasOf({})?.componentKey())
})

test('a lattice’s own stable id is used as it is, whatever its name', () => {
  const own = defineLattice({ ...mainnet, stableId: word('aa') })
  assert.equal(own.stableId(), word('aa'))
  assert.notEqual(own.fingerprint(), defineLattice({ ...unichain, stableId: word('aa') }).fingerprint())
})

test('a chain id is the same as number and as decimal string', () => {
  assert.equal(
    defineLattice({ ...mainnet, chainId: '1' }).fingerprint(),
    defineLattice({ ...mainnet, chainId: 1 }).fingerprint(),
  )
})

test('an empty extension is none', () => {
  assert.equal(defineCoalition({ ...mixed, ext: '0x' }).coalitionId(), derived.coalitionId)
  assert.notEqual(defineCoalition({ ...mixed, ext: '0x00' }).coalitionId(), derived.coalitionId)
})

test('$schema changes no id', () => {
  assert.deepEqual(deriveAll(defineCoalition({ ...mixed, $schema: './coalition.schema.json' })), derived)
})

test('zero validators are none', () => {
  const zero = { ...mixed, modules: { ...mixed.modules, atlas: { ...component, validators: word('00') } } }
  assert.deepEqual(deriveAll(defineCoalition(zero)), derived)
})

test('members and parameters stand in place of their hashes, and beside them where they agree', () => {
  const home = { chainId: 31337, registry: `0x${'cc'.repeat(20)}` } as const
  const members = [{ signer: `0x${'aa'.repeat(20)}`, noteKey: word('4b') }] as const
  const parameters = { submitters: [`0x${'bb'.repeat(20)}`], anchorEveryCommits: 16, anchorEverySeconds: 60 } as const
  const committee = deriveCommitteeHash(members)
  const contentHash = deriveContentHash({ home, parameters: encodeChronicleParameters(parameters) })
  const chronicles = [
    { contentHash, committee },
    { parameters, members },
    { contentHash, parameters, committee, members },
  ]
  const keys = chronicles.map((chronicle) => {
    const coalition = defineCoalition({ schemaVersion: 1, name: 'a', home, modules: { chronicle } })
    return [coalition.chronicle().fingerprint(), coalition.chronicle().componentKey()]
  })
  assert.deepEqual(keys, [keys[0], keys[0], keys[0]])
})

test('parameters stand in place of the content hash of an Atlas and an Almanac, and beside it where they agree', () => {
  const home = { chainId: 31337, registry: `0x${'cc'.repeat(20)}` } as const
  const cadence = { anchorEveryCommits: 16, anchorEverySeconds: 60 }
  const committee = word('4b')
  const citizens = [{ citizen: word('aa'), cardSigner: `0x${'ab'.repeat(20)}` }] as const
  const atlas = { submitters: [`0x${'bb'.repeat(20)}`], citizens, ...cadence } as const
  const almanac = { tickEveryMs: 1000, ...cadence }
  const hashes = {
    atlas: deriveContentHash({ home, parameters: encodeAtlasParameters(atlas) }),
    almanac: deriveContentHash({ home, parameters: encodeAlmanacParameters(almanac) }),
  }
  const derive = (modules: CoalitionFile['modules']) =>
    deriveAll(defineCoalition({ schemaVersion: 1, name: 'a', home, modules })).modules
  const byHash = derive({
    atlas: { contentHash: hashes.atlas, committee },
    almanac: { contentHash: hashes.almanac, committee },
  })
  const spelledOut = derive({ atlas: { parameters: atlas, committee }, almanac: { parameters: almanac, committee } })
  const both = derive({
    atlas: { contentHash: hashes.atlas, parameters: atlas, committee },
    almanac: { contentHash: hashes.almanac, parameters: almanac, committee },
  })
  assert.deepEqual([spelledOut, both], [byHash, byHash])
})

test('no id binds the parameters of a ticket issuer, nor its home: its id has no content hash', () => {
  const issuerOf = (changes: Pick<CoalitionFile, 'home'> & { heartbeatEverySeconds?: number }) => {
    const { heartbeatEverySeconds = 600, ...home } = changes
    const issuers = [`0x${'bb'.repeat(20)}`] as const
    const parameters = { issuers, anchorEveryCommits: 16, anchorEverySeconds: 60, heartbeatEverySeconds }
    const ticketIssuer = { name: 'a', committee: word('4b'), parameters }
    return defineCoalition({ schemaVersion: 1, name: 'a', ticketIssuer, ...home })
  }
  const one = issuerOf({})
  const other = issuerOf({ heartbeatEverySeconds: 60, home: { chainId: 1, registry: `0x${'cc'.repeat(20)}` } })
  assert.deepEqual(deriveAll(other), deriveAll(one))
  assert.notDeepEqual(other.ticketIssuer.encodedParameters, one.ticketIssuer.encodedParameters)
  assert.equal(one.ticketIssuer.parameters?.heartbeatEverySeconds, 600)
})

test('defineCoalition: keeps what the file spells out, for whoever runs it', () => {
  const home = { chainId: 31337, registry: `0x${'cc'.repeat(20)}` } as const
  const members = [{ signer: `0x${'aa'.repeat(20)}` }] as const
  const parameters = { submitters: [`0x${'bb'.repeat(20)}`], anchorEveryCommits: 16, anchorEverySeconds: 60 } as const
  const coalition = defineCoalition({
    schemaVersion: 1,
    name: 'a',
    home,
    modules: { chronicle: { parameters, members } },
  })
  assert.deepEqual(coalition.home, home)
  assert.deepEqual(coalition.chronicle().parameters, parameters)
  assert.deepEqual(coalition.chronicle().genesis.members, members)
})

test('defineCoalition: copies the file, so that a later change of it changes nothing', () => {
  const lattice = { name: 'ethereum.mainnet', chainId: 1, contentHash: word('aa') }
  const file = { schemaVersion: 1 as const, name: 'a', lattices: [lattice] }
  const coalition = defineCoalition(file)
  const before = deriveAll(coalition)
  lattice.contentHash = word('bb')
  file.lattices.length = 0
  assert.deepEqual(deriveAll(coalition), before)
  assert.deepEqual(deriveAll(defineCoalition(coalition.file)), before)
})

test('defineCoalition: refuses at run time what a cast hid from the compiler', () => {
  const file = { schemaVersion: 1, name: 'a', lattices: [{ name: 'a', chainId: 1.5 }] } as const
  assert.throws(() => defineCoalition(file), { code: 'INVALID_CHAIN_ID' })
  assert.throws(() => defineCoalition({ ...mixed, lattice: [] } as CoalitionFile), { code: 'UNKNOWN_KEY' })
})

test('deriveAll: derives thousands of citizens', () => {
  const lattices = Array.from({ length: 1_500 }, (_, index) => ({ name: `chain-${index}`, chainId: index + 1 }))
  const organisms = lattices.map(({ name }) => ({ role: 'oracle', name }))
  const ids = deriveAll(defineCoalition({ schemaVersion: 1, name: 'large', lattices, organisms }))
  assert.equal(new Set([...ids.lattices, ...ids.organisms].map(({ fingerprint }) => fingerprint)).size, 3_000)
})
