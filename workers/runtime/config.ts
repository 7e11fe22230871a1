import { z } from 'zod'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { CoalitionError } from '../../protocol/errors.ts'

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
const port = z
  .string()
  .regex(/^[0-9]{1,5}$/)
  .transform(Number)
  .refine((value) => value < 65_536, 'not a port')

const COMMON = {
  /** Path of the coalition.json that names the component. */
  COALITION_CONFIG: z.string().min(1),
  REDIS_URL: url(/^rediss?:$/).default('redis://127.0.0.1:6379'),
  KEYSTORE: z.string().min(1),
  KEYSTORE_PASSWORD_FILE: z.string().min(1),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
}

const MEMBER = z.object({
  ...COMMON,
  /** Folder of the member's store. */
  STORE: z.string().min(1),
  HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free one. */
  HTTP_PORT: port.default(0),
})

const ANCHOR = z.object({
  ...COMMON,
  RPC_URL: url(/^https?:$/),
  /** URLs of members' logs, separated by commas. */
  LOG_URLS: z
    .string()
    .transform((value) => value.split(',').map((each) => each.trim()))
    .pipe(
      z
        .array(url(/^https?:$/))
        .min(1)
        .max(256),
    ),
  /** How often to look whether something is to be anchored. */
  ANCHOR_TICK_MS: z
    .string()
    .regex(/^[0-9]{3,8}$/)
    .transform(Number)
    .default(5_000),
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
export type AnchorSettings = z.infer<typeof ANCHOR>

/** @throws {InvalidSettingError} */
export const readMemberSettings = (): MemberSettings => parse(MEMBER)

/** @throws {InvalidSettingError} */
export const readAnchorSettings = (): AnchorSettings => parse(ANCHOR)

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
