import fc from 'fast-check'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import type { CommitteeEntry } from '../../../protocol/identity/component.ts'
import type { CoalitionFile } from '../../../protocol/identity/configFile.ts'
import type { AdmissionRule } from '../../../protocol/tickets/admissionRules.ts'

/** Random config files that keep every rule of spec §3. */

const anyBytes = (sizeBytes: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }).map(toHex)
const any32 = anyBytes(32)
const anyAddress = anyBytes(20).filter((address) => BigInt(address) > 0n)
const anyName = fc.stringMatching(/^[a-z0-9_-]{1,16}(\.[a-z0-9_-]{1,15}){0,3}$/)
const anyChainId = fc.oneof(
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String),
)

const anyMembers = fc
  .uniqueArray(fc.tuple(anyAddress, fc.option(any32.filter((key) => BigInt(key) > 0n))), {
    minLength: 1,
    maxLength: 7,
    selector: ([signer]) => signer,
  })
  .filter((members) => {
    const keys = members.flatMap(([, key]) => key ?? [])
    return new Set(keys).size === keys.length
  })
  .map((members) =>
    members
      .map(([signer, noteKey]) => (noteKey === null ? { signer } : { signer, noteKey }))
      .sort((a, b) => (a.signer < b.signer ? -1 : 1)),
  )

const anyText = fc.string({ minLength: 1, maxLength: 20 })
const anyLifetimeMs = fc.integer({ min: 1, max: 86_400_000 })
const anyRule: fc.Arbitrary<AdmissionRule> = fc.oneof(
  fc.record({
    class: fc.constant('jwt' as const),
    issuer: anyText,
    audience: anyText,
    keys: fc.array(fc.record({ algorithm: fc.constant('EdDSA' as const), publicKey: any32 }), {
      minLength: 1,
      maxLength: 3,
    }),
    lifetimeMaxMs: anyLifetimeMs,
  }),
  fc.record({
    class: fc.constant('issued-by' as const),
    ticketsRoot: any32,
    signers: fc.tuple(anyAddress),
    audience: any32,
    lifetimeMaxMs: anyLifetimeMs,
    skewMs: fc.integer({ min: 0, max: 3_600_000 }),
  }),
)
const anyTdxRule: fc.Arbitrary<AdmissionRule> = fc.record({
  class: fc.constant('tdx' as const),
  policy: fc.record({ measurements: fc.tuple(fc.record({ mrConfigId: anyBytes(48) })) }),
})
const anyAdmission = fc.tuple(fc.array(anyRule, { maxLength: 2 }), anyTdxRule).map(([rules, tdx]) => [...rules, tdx])

const anyCommittee: fc.Arbitrary<CommitteeEntry> = fc
  .tuple(
    fc.oneof(fc.record({ committee: any32 }), fc.record({ members: anyMembers })),
    fc.oneof(fc.record({ validators: any32 }, { requiredKeys: [] }), fc.record({ admission: anyAdmission })),
  )
  .map(([committee, validators]) => ({ ...committee, ...validators }))

const anyComponent = fc
  .tuple(anyCommittee, fc.record({ contentHash: any32 }))
  .map(([committee, content]) => ({ ...content, ...committee }))

const anyCadence = fc.integer({ min: 1, max: 2 ** 32 - 1 })
const anyAnchoring = { anchorEveryCommits: anyCadence, anchorEverySeconds: anyCadence }
const anyAddresses = fc
  .uniqueArray(anyAddress, { minLength: 1, maxLength: 5 })
  .map((addresses) => addresses.sort((a, b) => (a < b ? -1 : 1)))
const anyCitizens = fc
  .uniqueArray(fc.record({ citizen: any32, cardSigner: anyAddress }), {
    maxLength: 5,
    selector: ({ citizen }) => citizen,
  })
  .map((citizens) => citizens.sort((a, b) => (a.citizen < b.citizen ? -1 : 1)))
/** A component whose content hash is given, or else what it is computed from. */
const anyConfigured = <Parameters>(parameters: fc.Arbitrary<Parameters>) =>
  fc
    .tuple(anyCommittee, fc.oneof(fc.record({ contentHash: any32 }), fc.record({ parameters })))
    .map(([committee, content]) => ({ ...content, ...committee }))
const anyModules = fc.record(
  {
    atlas: anyConfigured(fc.record({ submitters: anyAddresses, citizens: anyCitizens, ...anyAnchoring })),
    almanac: anyConfigured(fc.record({ tickEveryMs: anyCadence, ...anyAnchoring })),
    chronicle: anyConfigured(fc.record({ submitters: anyAddresses, ...anyAnchoring })),
    compute: anyComponent,
  },
  { requiredKeys: [] },
)
const anyIssuer = fc
  .tuple(
    anyCommittee,
    anyName,
    fc.record(
      { parameters: fc.record({ issuers: anyAddresses, ...anyAnchoring, heartbeatEverySeconds: anyCadence }) },
      { requiredKeys: [] },
    ),
  )
  .map(([committee, name, parameters]) => ({ name, ...committee, ...parameters }))

const anyLattice = fc.record(
  { name: anyName, chainId: anyChainId, stableId: any32, contentHash: any32 },
  { requiredKeys: ['name', 'chainId'] },
)
const anyOrganism = fc
  .tuple(
    fc.oneof(fc.record({ role: anyName, name: anyName }), fc.record({ role: anyName, stableId: any32 })),
    fc.record({ contentHash: any32 }, { requiredKeys: [] }),
  )
  .map(([organism, content]) => ({ ...organism, ...content }))
const anyConfluence = fc
  .tuple(anyComponent, anyName, fc.uniqueArray(any32, { minLength: 2, maxLength: 5 }))
  .map(([component, name, spans]) => ({ name, spans, ...component }))

export const anyConfig: fc.Arbitrary<CoalitionFile> = fc.record(
  {
    schemaVersion: fc.constant(1 as const),
    name: anyName,
    home: fc.record({ chainId: anyChainId, registry: anyAddress }),
    lattices: fc.uniqueArray(anyLattice, {
      maxLength: 6,
      selector: ({ name, chainId, stableId }) => stableId ?? `${name} ${chainId}`,
    }),
    organisms: fc.uniqueArray(anyOrganism, {
      maxLength: 6,
      selector: (organism) => ('stableId' in organism ? organism.stableId : organism.name),
    }),
    confluences: fc.array(anyConfluence, { maxLength: 4 }),
    modules: anyModules,
    ticketIssuer: anyIssuer,
    ext: fc.uint8Array({ maxLength: 100 }).map(toHex),
  },
  { requiredKeys: ['schemaVersion', 'name', 'home'] },
)
