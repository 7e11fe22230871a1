import { BINDING_LIFETIME_MAX_MS } from '../attestation/binding.ts'
import { type AttestationPolicy, decodePolicy } from '../attestation/policy.ts'
import { assertHex, type Hex, type UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { assertAddressList } from '../wire/addressList.ts'
import { deriveValidatorSignature, deriveValidatorsSignature } from './ticketValidator.ts'

/** A key that may sign: whoever can check with it cannot mint with it, so shared secrets have no place here. */
export type JwtKey = {
  algorithm: 'ES256' | 'EdDSA'
  /** ES256: uncompressed P-256 point, 65 bytes. EdDSA: Ed25519 public key, 32 bytes. */
  publicKey: Hex
  /** Where set, only tokens that name it are checked with this key. */
  kid?: string
}

export type JwtRules = {
  issuer: string
  audience: string
  keys: readonly JwtKey[]
  /** Who a token must be for: `'peer'` is the address of who shows it, in lower-case hex. Unset: anyone. */
  subject?: string
  /** From `iat` to `exp`; both are required. */
  lifetimeMaxMs: number
  /** How far our clock may be behind the issuer's. Default 60 s. */
  skewMs?: number
}

export type IssuedByRules = {
  /** The coalition's tickets root (spec §3). */
  ticketsRoot: UniqueId
  /** The issuer's genesis committee: addresses, strictly ascending. */
  signers: readonly Hex[]
  /** Whom a ticket must be for: 32 bytes of lower-case hex, as protocol/tickets/audience.ts derives them. */
  audience: string
  /** From a ticket's `notBefore` to its `notAfter`: a token that was signed cannot be called back before it ends. */
  lifetimeMaxMs: number
  /** How far our clock may be behind the issuer's. Default 60 s. */
  skewMs?: number
}

export type TdxRules = {
  /** Measurements are the baseline and its allowed variants. */
  policy: AttestationPolicy
  /** How long after its nonce a quote may bind. Default 24 h. */
  lifetimeMaxMs?: number
}

/** What one validator asks of a peer (spec §8.3), as a config spells it out. */
export type AdmissionRule =
  | ({ class: 'tdx' } & TdxRules)
  | ({ class: 'jwt' } & JwtRules)
  | ({ class: 'issued-by' } & IssuedByRules)

export const SKEW_MS = 60_000
/** Rules that one component may have, and keys that one rule may. */
export const RULES_MAX = 16
const TEXT_SIZE_MAX = 256
/** A leap year: a ticket that lasts longer is no ticket. */
const LIFETIME_MAX_MS = 366 * 86_400_000
const SKEW_MAX_MS = 3_600_000

export class InvalidAdmissionError extends CoalitionError {
  constructor({ field, reason }: { field: string; reason: string }) {
    super('INVALID_ADMISSION', `${field} cannot admit anyone: ${reason}.`, {
      fix: 'Write the rules as docs/integrators/config.md shows.',
    })
  }
}

/**
 * The signature of one rule, which depends on nothing else: not on the component either, because the component's own id may
 * fold it in (spec §3). Members whose rules differ cannot share a committee.
 */
export function deriveRuleSignature(rule: AdmissionRule): UniqueId {
  switch (rule.class) {
    case 'tdx': {
      const { policy, lifetimeMaxMs = BINDING_LIFETIME_MAX_MS } = rule
      return deriveValidatorSignature('tdx', { policy, lifetimeMaxMs })
    }
    case 'jwt': {
      const { issuer, audience, keys, subject, lifetimeMaxMs, skewMs = SKEW_MS } = rule
      return deriveValidatorSignature('jwt', { issuer, audience, keys, subject, lifetimeMaxMs, skewMs })
    }
    case 'issued-by': {
      const { ticketsRoot, signers, audience, lifetimeMaxMs, skewMs = SKEW_MS } = rule
      return deriveValidatorSignature('issued-by', { ticketsRoot, signers, audience, lifetimeMaxMs, skewMs })
    }
  }
}

/** `validators` of a component entry (spec §3): what an ACL folds in. */
export const deriveRulesSignature = (rules: readonly AdmissionRule[]): UniqueId =>
  deriveValidatorsSignature(rules.map((rule) => ({ signature: deriveRuleSignature(rule) })))

/**
 * Checks rules of the right shape, and completes the policies in them.
 *
 * @param options.field where they stand in the config.
 * @throws {InvalidAdmissionError} no rule, too many, two of class tdx, or a rule that none or anyone could meet.
 * @throws {PolicyInvalidError | PolicyImageUnpinnedError} a policy is of no use.
 * @throws {InvalidHexError} and what `assertAddressList` throws: a key, root or address is ill-formed.
 */
export function assertAdmissionRules(
  rules: readonly AdmissionRule[],
  { field }: { field: string },
): readonly AdmissionRule[] {
  if (rules.length < 1 || rules.length > RULES_MAX) {
    throw new InvalidAdmissionError({ field, reason: `it lists ${rules.length} rules, not 1 to ${RULES_MAX}` })
  }
  // One pool judges by one policy; variants belong into its measurements.
  if (rules.filter((rule) => rule.class === 'tdx').length > 1) {
    throw new InvalidAdmissionError({ field, reason: 'it has two rules of class tdx' })
  }
  return rules.map((rule, index) => assertRule(rule, `${field}[${index}]`))
}

function assertRule(rule: AdmissionRule, field: string): AdmissionRule {
  switch (rule.class) {
    case 'tdx': {
      const policy = decodePolicy(rule.policy)
      const pins = policy.measurements ?? []
      if (pins.length === 0 || pins.some((pin) => Object.keys(pin).length === 0)) {
        const reason = 'a policy without measurements takes anyone’s software'
        throw new InvalidAdmissionError({ field: `${field}.policy`, reason })
      }
      if (policy.reportData !== undefined) {
        const reason = 'the report data is what binds a quote to its signer, and differs from peer to peer'
        throw new InvalidAdmissionError({ field: `${field}.policy.reportData`, reason })
      }
      if (rule.lifetimeMaxMs !== undefined) assertWithin(rule, 'lifetimeMaxMs', { field, min: 1, max: LIFETIME_MAX_MS })
      return { ...rule, policy }
    }
    case 'jwt': {
      assertTexts(rule, ['issuer', 'audience', 'subject'], field)
      assertTimes(rule, field)
      if (rule.keys.length < 1 || rule.keys.length > RULES_MAX) {
        const reason = `${rule.keys.length} keys are not 1 to ${RULES_MAX}`
        throw new InvalidAdmissionError({ field: `${field}.keys`, reason })
      }
      for (const [index, key] of rule.keys.entries()) {
        assertTexts(key, ['kid'], `${field}.keys[${index}]`)
        const sizeBytes = key.algorithm === 'ES256' ? 65 : 32
        assertHex(key.publicKey, { field: `${field}.keys[${index}].publicKey`, sizeBytes })
      }
      return rule
    }
    case 'issued-by':
      assertTimes(rule, field)
      assertHex(rule.audience, { field: `${field}.audience`, sizeBytes: 32 })
      assertHex(rule.ticketsRoot, { field: `${field}.ticketsRoot`, sizeBytes: 32 })
      assertAddressList(rule.signers, {
        list: `${field}.signers`,
        field: (index) => `${field}.signers[${index}]`,
      })
      return rule
  }
}

function assertTimes(rule: { lifetimeMaxMs: number; skewMs?: number }, field: string): void {
  assertWithin(rule, 'lifetimeMaxMs', { field, min: 1, max: LIFETIME_MAX_MS })
  if (rule.skewMs !== undefined) assertWithin(rule, 'skewMs', { field, min: 0, max: SKEW_MAX_MS })
}

function assertWithin<Key extends string>(
  rule: { [Name in Key]?: number },
  key: Key,
  { field, min, max }: { field: string; min: number; max: number },
): void {
  const value = rule[key]
  if (Number.isSafeInteger(value) && value! >= min && value! <= max) return
  throw new InvalidAdmissionError({ field: `${field}.${key}`, reason: `${value} is not from ${min} to ${max}` })
}

function assertTexts<Key extends string>(rule: { [Name in Key]?: string }, keys: readonly Key[], field: string): void {
  for (const key of keys) {
    const text = rule[key]
    if (text !== undefined && (text === '' || text.length > TEXT_SIZE_MAX)) {
      throw new InvalidAdmissionError({
        field: `${field}.${key}`,
        reason: `it is not of 1 to ${TEXT_SIZE_MAX} characters`,
      })
    }
  }
}
