import type { Hex } from '../../../protocol/bytes.ts'
import { type Commit, ZERO_BYTES32 } from '../../../protocol/wire/commit.ts'
import { deriveSignerAddress } from '../../../protocol/wire/signature.ts'

/** Test keys 1…n, which anyone knows, in ascending order of address. */
export function createTestMembers(count: number): { secretKey: Uint8Array; signer: Hex }[] {
  return Array.from({ length: count }, (_, index) => {
    const secretKey = new Uint8Array(32)
    secretKey[30] = (index + 1) >> 8
    secretKey[31] = (index + 1) & 0xff
    return { secretKey, signer: deriveSignerAddress(secretKey) }
  }).sort((a, b) => (a.signer < b.signer ? -1 : 1))
}

const word = (byte: string): Hex => `0x${byte.repeat(32)}`

/** A well-formed first commit of a component that exists only in tests. */
export const sampleCommit: Commit = {
  component: word('c0'),
  epoch: 0n,
  height: 1n,
  body: word('b0'),
  logSize: 3n,
  logRoot: word('a0'),
  state: word('50'),
  timestampMs: 1_760_000_000_000n,
  anchor: true,
  next: ZERO_BYTES32,
}
