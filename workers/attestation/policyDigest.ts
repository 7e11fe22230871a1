import type { AttestationPolicy } from '../../protocol/attestation/policy.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'

/** keccak-256 of a policy's JSON with keys in order: the same rules, the same digest, whoever wrote the file. */
export const derivePolicyDigest = (policy: AttestationPolicy): Hex =>
  toHex(keccak256(new TextEncoder().encode(JSON.stringify(sortKeys(policy)))))

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortKeys(item)]))
}
