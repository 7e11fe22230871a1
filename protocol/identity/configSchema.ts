import { z } from 'zod'
import { type AdmissionRule, RULES_MAX } from '../tickets/admissionRules.ts'
import { ADDRESSES_MAX } from '../wire/addressList.ts'
import { CHAIN_ID_PATTERN } from './chainId.ts'
import type { Home } from './component.ts'
import type { CoalitionFile } from './configFile.ts'
import type { ConfluenceEntry } from './confluence.ts'
import { SCHEMA_VERSION_U8 } from './id.ts'
import type { LatticeEntry } from './lattice.ts'
import type { ModuleEntry, ModuleName } from './module.ts'
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
} satisfies Shape<TicketIssuerEntry, 'name'>

const component = z.strictObject({ ...committee, contentHash })

const modules = {
  atlas: component.optional(),
  almanac: component.optional(),
  chronicle: z
    .strictObject({
      ...committee,
      contentHash: contentHash.optional(),
      parameters: z
        .strictObject({
          submitters: z
            .array(hex(20, 'Address whose entries it takes.'))
            .meta({ description: 'In ascending order.', ...addressCount }),
          anchorEveryCommits: integer('Anchors when this many commits wait.', 2 ** 32 - 1),
          anchorEverySeconds: integer('Anchors when a commit has waited this long.', 2 ** 32 - 1),
        })
        .meta({ description: 'What the content hash is computed from, together with home.' })
        .optional(),
    } satisfies Shape<ModuleEntry<'chronicle'>>)
    .optional(),
  compute: component.optional(),
} satisfies Record<ModuleName, z.ZodType>

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
  ticketIssuer: z.strictObject({ name, ...committee } satisfies Shape<TicketIssuerEntry>).optional(),
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
