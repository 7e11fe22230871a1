import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Collateral } from '../../../protocol/attestation/collateral.ts'
import { createQuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { readVector } from './vectors.ts'

/** Flips each bit that `isChosen` names, and names those that were accepted all the same. */
function findAccepted(
  bytes: Uint8Array,
  isChosen: (bit: number) => boolean,
  verify: (bytes: Uint8Array) => unknown,
): number[] {
  const accepted: number[] = []
  const flipped = Uint8Array.from(bytes)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if (!isChosen(bit)) continue
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    try {
      verify(flipped)
      accepted.push(bit)
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
    }
    flipped[bit >> 3]! ^= 1 << (bit & 7)
  }
  return accepted
}

// 0.2 ms a flip; the second quote is sampled so that the tests stay a matter of seconds.
for (const [name, stride] of [
  ['v5-90c06f-uptodate', 1],
  ['v4-b0c06f-uptodate', 17],
] as const) {
  test(`verifyQuote: refuses ${name} with any one bit flipped (${stride === 1 ? 'every bit' : `one in ${stride}`})`, () => {
    const { quote, collateral, expected } = readVector(name)
    const nowMs = expected.verifyAtUnix * 1_000
    const verifier = createQuoteVerifier({ entriesMax: 4 })
    assert.equal(verifier.verify({ quote, collateral, nowMs }).tcbStatus, 'UpToDate')
    const accepted = findAccepted(
      quote,
      (bit) => bit % stride === 0,
      (flipped) => verifier.verify({ quote: flipped, collateral, nowMs }),
    )
    assert.deepEqual(accepted, [])
  })
}

const PARTS: readonly (keyof Collateral)[] = [
  'rootCaCrl',
  'pckCrl',
  'pckCrlIssuerChain',
  'tcbInfo',
  'tcbInfoSignature',
  'tcbInfoIssuerChain',
  'qeIdentity',
  'qeIdentitySignature',
  'qeIdentityIssuerChain',
]

for (const part of PARTS) {
  test(`verifyQuote: refuses collateral with one bit of ${part} flipped (sampled)`, () => {
    const { quote, collateral, expected } = readVector('v5-90c06f-uptodate')
    const nowMs = expected.verifyAtUnix * 1_000
    const value = collateral[part]
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
    // A stride that is odd reaches each of the eight bits of a byte in turn.
    const stride = Math.max(1, Math.floor((bytes.length * 8) / 300)) | 1
    const accepted = findAccepted(
      bytes,
      (bit) => bit % stride === 0,
      (flipped) => {
        const changed = typeof value === 'string' ? Buffer.from(flipped).toString('latin1') : Uint8Array.from(flipped)
        return createQuoteVerifier({ entriesMax: 0 }).verify({
          quote,
          collateral: { ...collateral, [part]: changed },
          nowMs,
        })
      },
    )
    assert.deepEqual(accepted, [])
  })
}
