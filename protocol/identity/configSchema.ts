import { z } from 'zod'
import { type AdmissionRule, RULES_MAX } from '../tickets/admissionRules.ts'
import { ADDRESSES_MAX } from '../wire/addressList.ts'
import type { AlmanacParameters } from '../wire/almanacParameters.ts'
import { type AtlasParameters, CITIZENS_MAX } from '../wire/atlasParameters.ts'
import type { ChronicleParameters } from '../wire/chronicleParameters.ts'
import type { TicketIssuerParameters } from '../wire/ticketIssuerParameters.ts'
import { CHAIN_ID_PATTERN } from './chainId.ts'
import type { Home } from './component.ts'
import type { CoalitionFile } from './configFile.ts'
import type { ConfluenceEntry } from './confluence.ts'
import { SCHEMA_VERSION_U8 } from './id.ts'
import type { LatticeEntry } from './lattice.ts'
import type { ModuleEntry, ModuleName, ModuleParameters } from './module.ts'
import { NAME_PATTERN } from './name.ts'
import type { OrganismEntry } from './organism.ts'
import type { TicketIssuerEntry } from './ticketIssuer.ts'

/** How many lattices, organisms, confluences or spanned citizens one list may have. */
export const LIST_LENGTH_MAX = 16_384

/**
 * The shape of a config file. It checks which keys there are and of what type; what a word must look like it only tells
 * an editor, in `meta`, and the file that defines the word refuses it with an error of its own.
 */

const text = (description: string, pattern?: RegExp) =>
  z.string().meta(pattern === undefined ? { description } : { description, pattern: pattern.source })
const hex = (sizeBytes: number, description: string) => text(description, new RegExp(`^0x[0-9a-f]{${2 * sizeBytes}}$`))
const hexText = (description: string) => text(description, /^0x(?:[0-9a-f]{2})*$/)
const list = <Item extends z.ZodType>(item: Item, description: string) =>
  z.array(item).max(LIST_LENGTH_MAX).meta({ description })
const integer = (description: string, maximum: number) =>
  z.number().meta({ description, type: 'integer', minimum: 1, maximum })

const chainId = z
  .union([integer('As a number', Number.MAX_SAFE_INTEGER), text('As decimal digits, up to 2^64 − 1', CHAIN_ID_PATTERN)])
  .meta({ description: 'EIP-155 chain id.' })
const name = text('1–64 of a-z 0-9 . _ -, segments separated by single dots.', NAME_PATTERN)
const contentHash = hex(32, 'Digest of its own parameters.')

const addressCount = { minItems: 1, maxItems: ADDRESSES_MAX }

const lifetimeMaxMs = integer('The longest that a ticket may last, in milliseconds.', Number.MAX_SAFE_INTEGER)
const skewMs = z
  .number()
  .meta({
    description: 'How far a member’s clock may be behind the issuer’s, in milliseconds.',
    type: 'integer',
    minimum: 0,
  })
  .optional()

const tdxRule = z.strictObject({
  class: z.literal('tdx'),
  policy: z
    .record(z.string(), z.unknown())
    .meta({ description: 'A policy of docs/integrators/attestation.md with measurements.' }),
  lifetimeMaxMs: lifetimeMaxMs.optional(),
} satisfies Shape<RuleOf<'tdx'>>)

const jwtRule = z.strictObject({
  class: z.literal('jwt'),
  issuer: text('Who must have issued the token.'),
  audience: text('Whom the token must be for.'),
  keys: z
    .array(
      z.strictObject({
        algorithm: z.enum(['ES256', 'EdDSA']),
        publicKey: hexText('P-256 point, 65 bytes, or Ed25519 public key, 32 bytes.'),
        kid: text('Where set, only tokens that name it are checked with this key.').optional(),
      }),
    )
    .meta({ description: 'Keys of the issuer, one of which must have signed.', minItems: 1, maxItems: RULES_MAX }),
  subject: text('Whom the token must name; peer is the address of who shows it.').optional(),
  lifetimeMaxMs,
  skewMs,
} satisfies Shape<RuleOf<'jwt'>>)

const issuedByRule = z.strictObject({
  class: z.literal('issued-by'),
  ticketsRoot: hex(32, 'A coalition’s tickets root.'),
  signers: z
    .array(hex(20, 'Address of a member of the issuer.'))
    .meta({ description: 'In ascending order.', ...addressCount }),
  audience: hex(32, 'Whom a ticket must be for.'),
  lifetimeMaxMs,
  skewMs,
} satisfies Shape<RuleOf<'issued-by'>>)

const committee = {
  committee: hex(32, 'Hash of the genesis committee.').optional(),
  members: z
    .array(
      z.strictObject({
        signer: hex(20, 'Address whose key signs the member’s votes.'),
        noteKey: hex(32, 'Ed25519 public key of the member’s signed notes.').optional(),
      }),
    )
    .meta({ description: 'The genesis committee spelled out, in ascending order of signer.', ...addressCount })
    .optional(),
  validators: hex(32, 'Signature of the ticket validators; absent where there are none.').optional(),
  admission: z
    .array(z.discriminatedUnion('class', [tdxRule, jwtRule, issuedByRule]))
    .meta({
      description: 'The ticket validators spelled out: a peer must meet every rule.',
      minItems: 1,
      maxItems: RULES_MAX,
    })
    .optional(),
} satisfies Shape<TicketIssuerEntry, 'name' | 'parameters'>

const component = z.strictObject({ ...committee, contentHash })

const uint32 = (description: string) => integer(description, 2 ** 32 - 1)
const addresses = (description: string) =>
  z.array(hex(20, description)).meta({ description: 'In ascending order.', ...addressCount })
const cadence = {
  anchorEveryCommits: uint32('Anchors when this many commits wait.'),
  anchorEverySeconds: uint32('Anchors when a commit has waited this long.'),
}

/** A module whose parameters may stand in place of their hash. */
const configured = <Parameters extends z.ZodType>(parameters: Parameters) =>
  z
    .strictObject({
      ...committee,
      contentHash: contentHash.optional(),
      parameters: parameters
        .meta({ description: 'What the content hash is computed from, together with home.' })
        .optional(),
    } satisfies Shape<ModuleEntry<keyof ModuleParameters>>)
    .optional()

const modules = {
  atlas: configured(
    z.strictObject({
      submitters: addresses('Address that may bring a republished list, and others’ cards.'),
      citizens: z
        .array(
          z.strictObject({
            citizen: hex(32, 'Stable id of a citizen.'),
            cardSigner: hex(20, 'Address whose key signs the citizen’s card.'),
          }),
        )
        .meta({ description: 'In ascending order of citizen.', maxItems: CITIZENS_MAX }),
      ...cadence,
    } satisfies Shape<AtlasParameters>),
  ),
  almanac: configured(
    z.strictObject({
      tickEveryMs: uint32('Milliseconds between two ticks at the least.'),
      ...cadence,
    } satisfies Shape<AlmanacParameters>),
  ),
  chronicle: configured(
    z.strictObject({
      submitters: addresses('Address whose entries it takes.'),
      ...cadence,
    } satisfies Shape<ChronicleParameters>),
  ),
  compute: component.optional(),
} satisfies Record<ModuleName, z.ZodType>

const ticketIssuer = z.strictObject({
  name,
  ...committee,
  parameters: z
    .strictObject({
      issuers: addresses('Address that may issue and revoke.'),
      ...cadence,
      heartbeatEverySeconds: uint32('Appends a heartbeat when nothing was anchored for this long.'),
    } satisfies Shape<TicketIssuerParameters>)
    .meta({ description: 'What its members are started with; no id binds it.' })
    .optional(),
} satisfies Shape<TicketIssuerEntry>)

export const configFileSchema = z.strictObject({
  $schema: text('Where an editor finds this schema.').optional(),
  schemaVersion: z.literal(SCHEMA_VERSION_U8),
  name,
  home: z
    .strictObject({
      chainId,
      registry: hex(20, 'Address of the ComponentRegistry.'),
    } satisfies Shape<Home>)
    .meta({ description: 'The registry that is authoritative for the components whose parameters are spelled out.' })
    .optional(),
  lattices: list(
    z.strictObject({
      name,
      chainId,
      stableId: hex(32, 'The lattice’s own id; computed where absent.').optional(),
      contentHash: contentHash.optional(),
    } satisfies Shape<LatticeEntry>),
    'Order matters.',
  ).optional(),
  organisms: list(
    z.strictObject({
      role: name,
      name: name.optional(),
      stableId: hex(32, 'In place of the name, or in agreement with it.').optional(),
      contentHash: contentHash.optional(),
    } satisfies Shape<OrganismEntry>),
    'Order matters.',
  ).optional(),
  confluences: list(
    z.strictObject({
      name,
      spans: list(hex(32, 'Stable id of a citizen.'), 'Two or more citizens, in the order it reads them.'),
      contentHash,
      ...committee,
    } satisfies Shape<ConfluenceEntry>),
    'Order matters.',
  ).optional(),
  modules: z.strictObject(modules).optional(),
  ticketIssuer: ticketIssuer.optional(),
  ext: text('Room to grow: opaque bytes, folded into the coalition id.', /^0x(?:[0-9a-f]{2})*$/).optional(),
} satisfies Shape<CoalitionFile>)

/** The JSON schema of a config file, as editors know it (draft 7). */
export const toJsonSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(configFileSchema, { target: 'draft-7' }),
  title: 'A coalition config',
})

type RuleOf<Class extends AdmissionRule['class']> = Extract<AdmissionRule, { class: Class }>

/** Neither more keys than the type has nor fewer. */
type Shape<Entry, Except extends keyof Entry = never> = Record<Exclude<keyof Entry, Except>, z.ZodType>
