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
      fix: 'Set the environment variable as docs/operators/running.md has it; the worker’s --help has them all.',
    })
  }
}

/** The messages of these say what a setting takes: `parse` puts before it what was given. */
const text = (takes: string) => z.string(takes).min(1, takes)
const isHttpUrl = (value: string): boolean => /^https?:$/.test(URL.parse(value)?.protocol ?? '')
const httpUrl = z.string().refine(isHttpUrl, 'an http or https URL')
function urls({ max }: { max: number }) {
  const takes = `1 to ${max} http or https URLs, separated by commas`
  return z
    .string(takes)
    .transform((value) => value.split(',').map((each) => each.trim()))
    .refine((each) => each.length <= max && each.every(isHttpUrl), takes)
}
function number({ min, max }: { min: number; max: number }) {
  const takes = `a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^[0-9]{1,16}$/, takes)
    .transform(Number)
    .refine((value) => value >= min && value <= max, takes)
}
const port = number({ min: 0, max: 65_535 })
const oneOf = <const T extends readonly string[]>(choices: T) => z.enum(choices, `one of ${choices.join(', ')}`)

const WITNESSES_MAX = 16
const WITNESSES_TAKE = `1 to ${WITNESSES_MAX} VKEY URL, separated by commas, the key of cosignature/v1 and the URL http or https`
/** `VKEY URL`, separated by commas. */
const witnesses = z.string().transform((value, context): Witness[] => {
  const pairs = value.split(',').map((each) => each.trim().split(/\s+/))
  if (pairs.length > WITNESSES_MAX) context.addIssue(WITNESSES_TAKE)
  return pairs.flatMap(([vkey = '', prefix = '', ...rest]) => {
    const key = toCosignatureKey(vkey)
    if (key !== undefined && isHttpUrl(prefix) && rest.length === 0) return [{ key, url: prefix.replace(/\/+$/, '') }]
    context.addIssue(WITNESSES_TAKE)
    return []
  })
})

const ISSUERS_MAX = 16
const ISSUER_URLS_MAX = 16
const ISSUERS_TAKE = `1 to ${ISSUERS_MAX} CONFIG URL…, separated by commas, a path and at most ${ISSUER_URLS_MAX} http or https URLs`
/** A ticket issuer whose tickets admit peers: path of its coalition's config, and logs of its members. */
export type IssuerSetting = { config: string; urls: readonly string[] }
/** `CONFIG URL…`, separated by commas. */
const issuers = z.string().transform((value, context): IssuerSetting[] => {
  const each = value.split(',').map((one) => one.trim().split(/\s+/))
  if (each.length > ISSUERS_MAX) context.addIssue(ISSUERS_TAKE)
  return each.flatMap(([config = '', ...urls]) => {
    if (config !== '' && urls.every(isHttpUrl) && urls.length <= ISSUER_URLS_MAX) return [{ config, urls }]
    context.addIssue(ISSUERS_TAKE)
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
  COALITION_CONFIG: text('a path').describe('path of the coalition.json that names the component'),
  COMPONENT: oneOf(COMPONENT_KINDS)
    .default('chronicle')
    .describe(`which of the config’s components: ${COMPONENT_KINDS.join(', ')}`),
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'a redis:// or rediss:// URL')
    .default('redis://127.0.0.1:6379')
    .describe('the committee’s Redis'),
  KEYSTORE: text('a path').describe('path of the keystore of this worker’s key'),
  KEYSTORE_PASSWORD_FILE: text('a path').describe('path of the file whose first line is its password'),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('the least that is logged'),
}

const HOME_CHAIN = {
  RPC_URLS: urls({ max: 16 }).describe('JSON-RPC endpoints of the home chain, separated by commas'),
  RPC_AGREE_COUNT: number({ min: 1, max: 16 })
    .optional()
    .describe('how many endpoints must agree; more than half of them by default'),
  FROM_BLOCK: number({ min: 0, max: Number.MAX_SAFE_INTEGER })
    .transform(BigInt)
    .default(0n)
    .describe('a block before the component’s registration, from which on events are read'),
}

const MEMBER = z.object({
  ...COMMON,
  STORE: text('the path of a folder').describe('folder of the member’s store'),
  HTTP_HOST: text('a host or an address').default('127.0.0.1').describe('address to listen at'),
  HTTP_PORT: port.default(0).describe('port to listen at; 0 takes any free one'),
  WITNESSES: witnesses.default([]).describe('witnesses that are to cosign the log, VKEY URL, separated by commas'),
  QUOTE_COMMAND: text('the path of a program')
    .optional()
    .describe('program that has this TD quoted: report data in hex as its argument, the quote on its standard output'),
  TICKETS: text('a path').optional().describe('path of the tokens that this member shows to its peers'),
  ISSUERS: issuers
    .default([])
    .describe('the issuers that rules of class issued-by name, CONFIG URL…, separated by commas'),
  ...HOME_CHAIN,
  RPC_URLS: HOME_CHAIN.RPC_URLS.optional().describe(
    'for what admits peers: a block stands in for the first commit, and the registry says who an issuer’s committee is',
  ),
})

const SYNC_ALONE = {
  SYNC_URLS: urls({ max: 256 }).describe('URLs of members’ logs to begin from, separated by commas'),
  SYNC_TRUST: z
    .string()
    .regex(/^[1-9][0-9]{0,17}:0x[0-9a-f]{64}$/, 'HEIGHT:DIGEST, 32 bytes of lower-case hex')
    .transform((value) => {
      const [height, digest] = value.split(':')
      return { height: BigInt(height!), digest: digest as Hex }
    })
    .optional()
    .describe('height and digest of a commit that the operator knows, HEIGHT:DIGEST'),
}
const SYNC = MEMBER.extend(SYNC_ALONE)

/** Of whoever follows the registry and reads from members beside it. */
const FOLLOWER = {
  ...HOME_CHAIN,
  CONFIRMATIONS: number({ min: 1, max: 10_000 })
    .default(12)
    .describe('blocks, its own included, after which an anchor counts'),
  LOG_URLS: urls({ max: 256 }).describe('URLs of members’ logs, separated by commas'),
}

const ANCHOR = z.object({
  ...COMMON,
  ...FOLLOWER,
  FEE_CAP_GWEI: number({ min: 1, max: 1_000_000 }).default(200).describe('the most that a gas may cost, tip included'),
  REPLACE_AFTER_MS: number({ min: 100, max: 3_600_000 })
    .default(15_000)
    .describe('how long a transaction may wait before its nonce is sent again with a higher fee'),
  ANCHOR_TICK_MS: number({ min: 100, max: 99_999_999 })
    .default(5_000)
    .describe('how often to look whether something is to be anchored'),
  ANCHOR_LAG_MAX_MS: number({ min: 1_000, max: 99_999_999 })
    .default(600_000)
    .describe('how long a marked commit may wait for its confirmation before that is an alarm'),
})

const yesOrNo = oneOf(['yes', 'no']).transform((value) => value === 'yes')

/** Citizens of one setting at the most. */
const SELF_PUBLISHED_MAX = 1_024
const SELF_PUBLISHED_PATTERN = /^0x[0-9a-f]{64}=https:\/\/\S+$/

const ATLAS_SYNC = z.object({
  ...COMMON,
  ...FOLLOWER,
  HTTP_HOST: text('a host or an address').default('127.0.0.1').describe('address to listen at'),
  HTTP_PORT: port.default(0).describe('port to listen at; 0 takes any free one'),
  REFRESH_EVERY_MS: number({ min: 100, max: 3_600_000 })
    .default(5_000)
    .describe('how often chain and members are read'),
  CARD_EVERY_MS: number({ min: 100, max: 99_999_999 })
    .default(60_000)
    .describe('how often each citizen’s own card is looked for'),
  CARD_TIMEOUT_MS: number({ min: 100, max: 60_000 }).default(10_000).describe('how long one card may take'),
  SELF_PUBLISHED: z
    .string()
    .transform((value) => value.split(',').map((each) => each.trim()))
    .refine(
      (entries) => entries.length <= SELF_PUBLISHED_MAX && entries.every((each) => SELF_PUBLISHED_PATTERN.test(each)),
      `1 to ${SELF_PUBLISHED_MAX} STABLE_ID=https://…, separated by commas`,
    )
    .transform(
      (entries): ReadonlyMap<Hex, string> => new Map(entries.map((each) => [each.slice(0, 66) as Hex, each.slice(67)])),
    )
    .default(new Map())
    .describe('where citizens publish their cards, STABLE_ID=URL, separated by commas'),
  FOLLOW_ENDPOINTS: yesOrNo
    .default(true)
    .describe('whether the first https endpoint of a published card leads to the next one'),
  ALLOW_PRIVATE_NETWORKS: yesOrNo
    .default(false)
    .describe('whether cards may come from addresses that are not of the open Internet'),
  CARD_CA_FILE: text('a path')
    .optional()
    .describe('PEM file of certificate authorities to trust for cards, in place of the well-known ones'),
  PUBLISHED_BY: z
    .string()
    .regex(/^0x[0-9a-f]{40}$/, 'an address in lower case')
    .transform((value) => value as Hex)
    .optional()
    .describe('address of the operator whose newest published config must be this one before its citizens are listed'),
})

const ATTESTATION = z.object({
  ...COMMON,
  PCCS_URL: httpUrl.default('https://api.trustedservices.intel.com').describe('PCS or PCCS to fetch collateral from'),
  COLLATERAL_DIR: text('the path of a folder').describe(
    'folder that remembers collateral across restarts; its floor holds even where it has expired',
  ),
  POLICY: text('a path').optional().describe('path of a policy file; without one, UpToDate and nothing else is asked'),
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
    throw new InvalidSettingError({
      setting,
      reason: `${JSON.stringify(settings.KEYSTORE_PASSWORD_FILE)} cannot be read`,
    })
  }
  if (password === '')
    throw new InvalidSettingError({
      setting,
      reason: `the first line of ${JSON.stringify(settings.KEYSTORE_PASSWORD_FILE)} is empty`,
    })
  return password
}

function parse<T extends z.ZodType>(shape: T): z.infer<T> {
  const parsed = shape.safeParse(process.env)
  if (parsed.success) return parsed.data
  const { path, message: takes } = parsed.error.issues[0]!
  const setting = String(path[0])
  throw new InvalidSettingError({ setting, reason: describeGiven(setting, process.env[setting], takes) })
}

const GIVEN_LENGTH_MAX = 64

function describeGiven(setting: string, given: string | undefined, takes: string): string {
  if (given === undefined) return `it is missing, and takes ${takes}`
  // A URL may hold a password, or a key of its owner's.
  if (setting.includes('URL') || given.includes('://')) return `what is given is not ${takes}`
  const isLong = given.length > GIVEN_LENGTH_MAX
  return `${JSON.stringify(given.slice(0, GIVEN_LENGTH_MAX))}${isLong ? '…' : ''} is not ${takes}`
}

/** What each worker reads from its environment, a line a setting. */
export const SETTINGS_HELP = {
  member: [...describe(MEMBER.shape), 'for sync, beside those:', ...describe(SYNC_ALONE)],
  'chronicle-anchor': describe(ANCHOR.shape),
  'atlas-sync': describe(ATLAS_SYNC.shape),
  attestation: describe(ATTESTATION.shape),
}

function describe(settings: Record<string, z.ZodType>): string[] {
  return Object.entries(settings).map(([name, setting]) => {
    const unset = setting.safeParse(undefined)
    const value = typeof unset.data === 'boolean' ? (unset.data ? 'yes' : 'no') : unset.data
    const note = !unset.success
      ? ' (required)'
      : /^(?:string|number|bigint)$/.test(typeof value)
        ? ` (default: ${value})`
        : ''
    return `  ${name.padEnd(22)}  ${setting.description}${note}`
  })
}
