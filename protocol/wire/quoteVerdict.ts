import { fromHex, type Hex, toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import { recoverSigner, signDigest } from './signature.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from './typedData.ts'

/** What a worker of the attestation pool found of one quote (spec §8.1). */
export type QuoteVerdict = {
  /** SHA-256 of the quote's bytes: which quote was judged, not who it is of (see `reportDigest`). */
  quoteDigest: Hex
  /** SHA-256 of the collateral it was judged by; zero where none was to be had. */
  collateralDigest: Hex
  /** What was signed by the platform: SHA-256 of header and body; zero where the quote is not genuine. */
  reportDigest: Hex
  /** Empty where the quote is accepted, else the code of the refusal. */
  code: string
  /** Why, for people; not signed. */
  message: string
  /** 64 bytes; zero where the quote is not genuine. */
  reportData: Hex
  /** When the acceptance ends, milliseconds since 1970; 0 where refused. */
  expiresAtMs: number
}

/** The verdicts on one job's quotes, in their order, under one signature: signing costs more than judging. */
export type SignedVerdicts = {
  /** Component key. */
  component: Hex
  /** keccak-256 of the policy's canonical JSON: verdicts by different rules must not be taken for each other. */
  policyDigest: Hex
  /** When they were judged, milliseconds since 1970. */
  judgedAtMs: number
  verdicts: readonly QuoteVerdict[]
  /** EIP-2098, by the member whose worker judged. */
  signature: Hex
}

const VERDICT_TYPE =
  'QuoteVerdict(bytes32 quoteDigest,bytes32 collateralDigest,bytes32 reportDigest,string code,bytes reportData,uint64 expiresAtMs)'
const VERDICT_TYPEHASH = deriveTypehash(VERDICT_TYPE)
const VERDICTS_TYPEHASH = deriveTypehash(
  `QuoteVerdicts(bytes32 component,bytes32 policyDigest,uint64 judgedAtMs,QuoteVerdict[] verdicts)${VERDICT_TYPE}`,
)

const utf8 = new TextEncoder()

const hashVerdict = (verdict: QuoteVerdict): Hex =>
  hashStruct(VERDICT_TYPEHASH, [
    verdict.quoteDigest,
    verdict.collateralDigest,
    verdict.reportDigest,
    toHex(keccak256(utf8.encode(verdict.code))),
    toHex(keccak256(fromHex(verdict.reportData))),
    verdict.expiresAtMs,
  ])

/** What the member signs: EIP-712 typed data of the domain of spec §4. */
export function deriveVerdictsDigest(signed: Omit<SignedVerdicts, 'signature'>): Hex {
  const hashes = signed.verdicts.map((verdict) => hashVerdict(verdict).slice(2)).join('')
  const list = toHex(keccak256(fromHex(`0x${hashes}`)))
  return deriveSigningDigest(
    hashStruct(VERDICTS_TYPEHASH, [signed.component, signed.policyDigest, signed.judgedAtMs, list]),
  )
}

export const signVerdicts = (unsigned: Omit<SignedVerdicts, 'signature'>, secretKey: Uint8Array): SignedVerdicts => ({
  ...unsigned,
  signature: signDigest(deriveVerdictsDigest(unsigned), secretKey),
})

/** The member that signed. @throws {InvalidSignatureError} */
export const recoverVerdictsSigner = (signed: SignedVerdicts): Hex =>
  recoverSigner(deriveVerdictsDigest(signed), signed.signature)
