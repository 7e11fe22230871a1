import type { AttestationPolicy } from '../../protocol/attestation/policy.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { formatCanonicalJson } from '../../protocol/identity/json.ts'

/** keccak-256 of a policy's JSON with keys in order: the same rules, the same digest, whoever wrote the file. */
export const derivePolicyDigest = (policy: AttestationPolicy): Hex =>
  toHex(keccak256(new TextEncoder().encode(formatCanonicalJson(policy))))
