import { z } from 'zod'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { COMPONENT_KINDS } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { decodeVerifierKey, type VerifierKey } from '../../protocol/log/verifierKey.ts'
import type { Witness } from '../member/witness.ts'
import { isRedisUrl } from '../queues.ts'

/** The one room where `process.env` is read. */

export class InvalidSettingError extends CoalitionError {
  constructor({ setting, reason }: { setting: string; reason: string }) {
    super('INVALID_SETTING', `The setting ${setting} cannot be used: ${reason}.`, {
      fix: 'Set the environment variable as docs/operators/running.md has it.',
    })
  }
}

const url = (protocol: RegExp) =>
  z.string().refine((value) => protocol.test(URL.parse(value)?.protocol ?? ''), 'not such a URL')
const urls = ({ max }: { max: number }) =>
  z
    .string()
    .transform((value) => value.split(',').map((each) => each.trim()))
    .pipe(
      z
        .array(url(/^https?:$/))
        .min(1)
        .max(max),
    )
const number = ({ min, max }: { min: number; max: number }) =>
  z
    .string()
    .regex(/^[0-9]{1,16}$/, 'not a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `not from ${min} to ${max}`)
const port = z
  .string()
  .regex(/^[0-9]{1,5}$/)
  .transform(Number)
  .refine((value) => value < 65_536, 'not a port')

const WITNESSES_MAX = 16
/** `VKEY URL`, separated by commas. */
const witnesses = z.string().transform((value, context): Witness[] => {
  const pairs = value.split(',').map((each) => each.trim().split(/\s+/))
  if (pairs.length > WITNESSES_MAX) context.addIssue(`more than ${WITNESSES_MAX}`)
  return pairs.flatMap(([vkey = '', prefix = '', ...rest]) => {
    const key = toCosignatureKey(vkey)
    const isUrl = /^https?:$/.test(URL.parse(prefix)?.protocol ?? '')
    if (key !== undefined && isUrl && rest.length === 0) return [{ key, url: prefix.replace(/\/+$/, '') }]
    context.addIssue('not VKEY URL, the key of cosignature/v1 and the URL http or https')
    return []
  })
})

const ISSUERS_MAX = 16
const ISSUER_URLS_MAX = 16
/** A ticket issuer whose tickets admit peers: path of its coalition's config, and logs of its members. */
export type IssuerSetting = { config: string; urls: readonly string[] }
/** `CONFIG URL…`, separated by commas. */
const issuers = z.string().transform((value, context): IssuerSetting[] => {
  const each = value.split(',').map((one) => one.trim().split(/\s+/))
  if (each.length > ISSUERS_MAX) context.addIssue(`more than ${ISSUERS_MAX}`)
  return each.flatMap(([config = '', ...urls]) => {
    const areUrls = urls.every((one) => /^https?:$/.test(URL.parse(one)?.protocol ?? ''))
    if (config !== '' && areUrls && urls.length <= ISSUER_URLS_MAX) return [{ config, urls }]
    context.addIssue(`not CONFIG URL…, a path and at most ${ISSUER_URLS_MAX} URLs, http or https`)
    return []
  })
})

function toCosignatureKey(vkey: string): VerifierKey | undefined {
  try {
    const key = decodeVerifierKey(vkey)
    return key.algorithm === 'cosignature/v1' ? key : undefined
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    return undefined
  }
}

const COMMON = {
  /** Path of the coalition.json that names the component. */
  COALITION_CONFIG: z.string().min(1),
  /** Which of the config's components. */
  COMPONENT: z.enum(COMPONENT_KINDS).default('chronicle'),
  REDIS_URL: z.string().refine(isRedisUrl, 'not a redis:// or rediss:// URL').default('redis://127.0.0.1:6379'),
  KEYSTORE: z.string().min(1),
  KEYSTORE_PASSWORD_FILE: z.string().min(1),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
}

const HOME_CHAIN = {
  /** JSON-RPC endpoints of the home chain, separated by commas. */
  RPC_URLS: urls({ max: 16 }),
  /** How many endpoints must agree; more than half of them by default. */
  RPC_AGREE_COUNT: number({ min: 1, max: 16 }).optional(),
  /** A block before the component's registration, from which on events are read. */
  FROM_BLOCK: number({ min: 0, max: Number.MAX_SAFE_INTEGER }).transform(BigInt).default(0n),
}

const MEMBER = z.object({
  ...COMMON,
  /** Folder of the member's store. */
  STORE: z.string().min(1),
  HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free one. */
  HTTP_PORT: port.default(0),
  /** Witnesses that are to cosign the log, `VKEY URL`, separated by commas. */
  WITNESSES: witnesses.default([]),
  /** Program that has this TD quoted: report data in hex as its argument, the quote on its standard output. */
  QUOTE_COMMAND: z.string().min(1).optional(),
  /** Path of the tokens that this member shows to its peers. */
  TICKETS: z.string().min(1).optional(),
  /** The issuers that rules of class issued-by name, `CONFIG URL…`, separated by commas. */
  ISSUERS: issuers.default([]),
  ...HOME_CHAIN,
  /** For what admits peers: a block stands in for the first commit, and the registry says who an issuer's committee is. */
  RPC_URLS: HOME_CHAIN.RPC_URLS.optional(),
})

const SYNC = MEMBER.extend({
  /** URLs of members' logs to begin from, separated by commas. */
  SYNC_URLS: urls({ max: 256 }),
  /** Height and digest of a commit that the operator knows, `HEIGHT:DIGEST`. */
  SYNC_TRUST: z
    .string()
    .regex(/^[1-9][0-9]{0,17}:0x[0-9a-f]{64}$/, 'not HEIGHT:DIGEST')
    .transform((value) => {
      const [height, digest] = value.split(':')
      return { height: BigInt(height!), digest: digest as Hex }
    })
    .optional(),
})

const ANCHOR = z.object({
  ...COMMON,
  ...HOME_CHAIN,
  /** Blocks, its own included, after which an anchor counts. */
  CONFIRMATIONS: number({ min: 1, max: 10_000 }).default(12),
  /** The most that a gas may cost, tip included. */
  FEE_CAP_GWEI: number({ min: 1, max: 1_000_000 }).default(200),
  /** How long a transaction may wait before its nonce is sent again with a higher fee. */
  REPLACE_AFTER_MS: number({ min: 100, max: 3_600_000 }).default(15_000),
  /** URLs of members' logs, separated by commas. */
  LOG_URLS: urls({ max: 256 }),
  /** How often to look whether something is to be anchored. */
  ANCHOR_TICK_MS: number({ min: 100, max: 99_999_999 }).default(5_000),
  /** How long a marked commit may wait for its confirmation before that is an alarm. */
  ANCHOR_LAG_MAX_MS: number({ min: 1_000, max: 99_999_999 }).default(600_000),
})

const yesOrNo = z.enum(['yes', 'no']).transform((value) => value === 'yes')

/** Citizens of one setting at the most. */
const SELF_PUBLISHED_MAX = 1_024

const ATLAS_SYNC = z.object({
  ...COMMON,
  ...HOME_CHAIN,
  /** Blocks, its own included, after which what the registry says counts. */
  CONFIRMATIONS: number({ min: 1, max: 10_000 }).default(12),
  /** URLs of members' logs, separated by commas. */
  LOG_URLS: urls({ max: 256 }),
  HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free one. */
  HTTP_PORT: port.default(0),
  /** How often chain and members are read. */
  REFRESH_EVERY_MS: number({ min: 100, max: 3_600_000 }).default(5_000),
  /** How often each citizen's own card is looked for. */
  CARD_EVERY_MS: number({ min: 100, max: 99_999_999 }).default(60_000),
  /** How long one card may take. */
  CARD_TIMEOUT_MS: number({ min: 100, max: 60_000 }).default(10_000),
  /** Where citizens publish their cards, `STABLE_ID=URL`, separated by commas. */
  SELF_PUBLISHED: z
    .string()
    .transform((value) => value.split(',').map((each) => each.trim()))
    .pipe(
      z.array(z.string().regex(/^0x[0-9a-f]{64}=https:\/\/\S+$/, 'not STABLE_ID=https://…')).max(SELF_PUBLISHED_MAX),
    )
    .transform(
      (entries): ReadonlyMap<Hex, string> => new Map(entries.map((each) => [each.slice(0, 66) as Hex, each.slice(67)])),
    )
    .default(new Map()),
  /** Whether the first https endpoint of a published card leads to the next one. */
  FOLLOW_ENDPOINTS: yesOrNo.default(true),
  /** Whether cards may come from addresses that are not of the open Internet. */
  ALLOW_PRIVATE_NETWORKS: yesOrNo.default(false),
  /** PEM file of certificate authorities to trust for cards, in place of the well-known ones. */
  CARD_CA_FILE: z.string().min(1).optional(),
  /** Address of the operator whose newest published config must be this one before its citizens are listed. */
  PUBLISHED_BY: z
    .string()
    .regex(/^0x[0-9a-f]{40}$/, 'not an address in lower case')
    .transform((value) => value as Hex)
    .optional(),
})

const ATTESTATION = z.object({
  ...COMMON,
  /** PCS or PCCS to fetch collateral from. */
  PCCS_URL: url(/^https?:$/).default('https://api.trustedservices.intel.com'),
  /** Folder that remembers collateral across restarts; its floor holds even where it has expired. */
  COLLATERAL_DIR: z.string().min(1),
  /** Path of a policy file; without one, `UpToDate` and nothing else is asked. */
  POLICY: z.string().min(1).optional(),
})

export type AttestationSettings = z.infer<typeof ATTESTATION>
export type MemberSettings = z.infer<typeof MEMBER>
export type SyncSettings = z.infer<typeof SYNC>
export type AnchorSettings = z.infer<typeof ANCHOR>
export type AtlasSyncSettings = z.infer<typeof ATLAS_SYNC>

/** @throws {InvalidSettingError} */
export const readMemberSettings = (): MemberSettings => parse(MEMBER)

/** @throws {InvalidSettingError} */
export const readSyncSettings = (): SyncSettings => parse(SYNC)

/** @throws {InvalidSettingError} */
export const readAnchorSettings = (): AnchorSettings => parse(ANCHOR)

/** @throws {InvalidSettingError} */
export const readAtlasSyncSettings = (): AtlasSyncSettings => parse(ATLAS_SYNC)

/** @throws {InvalidSettingError} */
export const readAttestationSettings = (): AttestationSettings => parse(ATTESTATION)

/** @throws {InvalidSettingError} the password file cannot be read, or its first line is empty. */
export function readPassword(settings: { KEYSTORE_PASSWORD_FILE: string }): string {
  const setting = 'KEYSTORE_PASSWORD_FILE'
  let password: string
  try {
    password = readPasswordFile(settings.KEYSTORE_PASSWORD_FILE)
  } catch {
    throw new InvalidSettingError({ setting, reason: 'the file cannot be read' })
  }
  if (password === '') throw new InvalidSettingError({ setting, reason: 'the first line of the file is empty' })
  return password
}

function parse<T extends z.ZodType>(shape: T): z.infer<T> {
  const parsed = shape.safeParse(process.env)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const setting = String(issue.path[0])
  const reason = process.env[setting] === undefined ? 'it is missing' : issue.message
  throw new InvalidSettingError({ setting, reason })
}
