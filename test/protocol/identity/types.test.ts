import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UniqueId } from '../../../protocol/bytes.ts'
import { type CoalitionConfig, defineCoalition, parseCoalition } from '../../../protocol/identity/coalition.ts'
import type { CoalitionFile } from '../../../protocol/identity/configFile.ts'
import type { LatticeConfig } from '../../../protocol/identity/lattice.ts'
import type { ModuleConfig } from '../../../protocol/identity/module.ts'
import type { OrganismRef } from '../../../protocol/identity/organism.ts'
import type { TicketIssuerConfig } from '../../../protocol/identity/ticketIssuer.ts'

/** What the compiler knows of a config: each `assertType` is checked by `tsc`, and by nothing at run time (spec §3.1). */

type IsEqual<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function assertType<_Holds extends true>(): void {}

const word = `0x${'c0'.repeat(32)}` as const
const component = { contentHash: word, committee: word }
const parameters = { submitters: [`0x${'aa'.repeat(20)}`], anchorEveryCommits: 1, anchorEverySeconds: 1 } as const

const bare = defineCoalition({ schemaVersion: 1, name: 'bare' })
const full = defineCoalition({
  schemaVersion: 1,
  name: 'ethereum.superchain',
  lattices: [
    { name: 'ethereum.mainnet', chainId: 1 },
    { name: 'far.chain', chainId: '18446744073709551615' },
  ],
  organisms: [
    { role: 'oracle', name: 'price-feed.eur' },
    { role: 'attest', stableId: word },
  ],
  modules: { atlas: component },
  ticketIssuer: { name: 'superchain.tickets', committee: word },
} as const)

test('a module that the config ships is known to be there, and another to be undefined', () => {
  assertType<IsEqual<ReturnType<typeof full.atlas>, ModuleConfig<'atlas'>>>()
  assertType<IsEqual<ReturnType<typeof full.almanac>, undefined>>()
  assertType<IsEqual<ReturnType<typeof full.chronicle>, undefined>>()
  assertType<IsEqual<ReturnType<typeof full.compute>, undefined>>()
  assertType<IsEqual<ReturnType<typeof bare.atlas>, undefined>>()
  assert.equal(full.atlas().name, 'atlas')
  assert.deepEqual([full.almanac(), full.chronicle(), full.compute(), bare.atlas()], Array(4).fill(undefined))
  // @ts-expect-error: what is not shipped cannot be used.
  assert.throws(() => full.almanac().root(), TypeError)
})

test('the ticket issuer and its root are known to be there or not', () => {
  assertType<IsEqual<typeof full.ticketIssuer, TicketIssuerConfig<'superchain.tickets'>>>()
  assertType<IsEqual<ReturnType<typeof full.ticketIssuerRoot>, UniqueId>>()
  assertType<IsEqual<typeof bare.ticketIssuer, undefined>>()
  assertType<IsEqual<ReturnType<typeof bare.ticketIssuerRoot>, undefined>>()
  assert.match(full.ticketIssuerRoot(), /^0x/)
  assert.equal(bare.ticketIssuerRoot(), undefined)
})

test('literal types are kept, entry by entry', () => {
  assertType<IsEqual<typeof full.name, 'ethereum.superchain'>>()
  assertType<
    IsEqual<
      typeof full.lattices,
      readonly [LatticeConfig<'ethereum.mainnet', 1>, LatticeConfig<'far.chain', '18446744073709551615'>]
    >
  >()
  assertType<
    IsEqual<typeof full.organisms, readonly [OrganismRef<'oracle', 'price-feed.eur'>, OrganismRef<'attest', undefined>]>
  >()
  assertType<IsEqual<typeof bare.lattices, readonly []>>()
  // @ts-expect-error: there is no third lattice.
  assert.equal(full.lattices[2], undefined)
})

test('literal types are kept without as const too', () => {
  const coalition = defineCoalition({ schemaVersion: 1, name: 'a', lattices: [{ name: 'b', chainId: 1 }] })
  assertType<IsEqual<typeof coalition.lattices, readonly [LatticeConfig<'b', 1>]>>()
  assert.equal(coalition.lattices[0].name, 'b')
})

test('a config of run time is of the same class, and may ship anything', () => {
  const parsed = parseCoalition('{ "schemaVersion": 1, "name": "a" }')
  assertType<IsEqual<typeof parsed, CoalitionConfig>>()
  assertType<IsEqual<ReturnType<typeof parsed.atlas>, ModuleConfig<'atlas'> | undefined>>()
  assertType<IsEqual<ReturnType<typeof parsed.ticketIssuerRoot>, UniqueId | undefined>>()
  assertType<IsEqual<(typeof parsed.lattices)[number], LatticeConfig>>()
  // @ts-expect-error: it may be undefined.
  assert.throws(() => parsed.atlas().root(), TypeError)

  const file: CoalitionFile = { schemaVersion: 1, name: 'a' }
  const defined = defineCoalition(file)
  assertType<IsEqual<typeof defined, CoalitionConfig<CoalitionFile>>>()
  assert.equal(defined.coalitionId(), parsed.coalitionId())
})

test('a module that is shipped on a condition may be undefined', () => {
  const atlas: typeof component | undefined = component
  const coalition = defineCoalition({
    schemaVersion: 1,
    name: 'a',
    modules: { atlas: atlas as typeof atlas | undefined },
  })
  assertType<IsEqual<ReturnType<typeof coalition.atlas>, ModuleConfig<'atlas'> | undefined>>()
  assert.equal(coalition.atlas()?.name, 'atlas')
})

test('a config of literals goes wherever any config goes', () => {
  const nameOf = (coalition: CoalitionConfig): string => coalition.name
  assert.deepEqual([bare, full].map(nameOf), ['bare', 'ethereum.superchain'])
})

test('an entry that lacks what it needs does not compile', () => {
  // @ts-expect-error: a lattice has a chain id.
  assert.throws(() => defineCoalition({ schemaVersion: 1, name: 'a', lattices: [{ name: 'b' }] }))
  // @ts-expect-error: Compute has a content hash.
  assert.throws(() => defineCoalition({ schemaVersion: 1, name: 'a', modules: { compute: { committee: word } } }))
  // @ts-expect-error: an Almanac's parameters are not a Chronicle's.
  assert.throws(() => defineCoalition({ schemaVersion: 1, name: 'a', modules: { almanac: { parameters } } }))
  // @ts-expect-error: this is no module.
  assert.throws(() => defineCoalition({ schemaVersion: 1, name: 'a', modules: { oracle: component } }))
})
