import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspectQuote } from '../../../protocol/attestation/inspectQuote.ts'
import { QUOTE_SIZE_MAX_BYTES, QuoteError, type QuoteErrorCode } from '../../../protocol/attestation/quote.ts'
import { verifyQuote } from '../../../protocol/attestation/verifyQuote.ts'
import { NOW_MS } from './factory/world.ts'
import { readVector } from './vectors.ts'

const { quote, collateral } = readVector('v4-b0c06f-uptodate')
const sgx = readVector('sgx-v3-00a067').quote

function changed(at: number, byte: number): Uint8Array {
  const bytes = Uint8Array.from(quote)
  bytes[at] = byte
  return bytes
}

/** With `other` as the vendor: what is not as in a quote of Intel's then decides. */
const ofAnother = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes).fill(0x11, 12, 28)

const CASES: { what: string; bytes: Uint8Array; kind: 'input' | 'refused'; code: QuoteErrorCode }[] = [
  { what: 'nothing', bytes: new Uint8Array(0), kind: 'input', code: 'QUOTE_TRUNCATED' },
  { what: 'half a header', bytes: quote.subarray(0, 47), kind: 'input', code: 'QUOTE_TRUNCATED' },
  {
    what: 'a quote that was copied as text',
    bytes: new TextEncoder().encode(Buffer.from(quote).toString('hex')),
    kind: 'input',
    code: 'QUOTE_VERSION_UNSUPPORTED',
  },
  { what: 'zeros', bytes: new Uint8Array(5_000), kind: 'input', code: 'QUOTE_VERSION_UNSUPPORTED' },
  { what: 'a large file', bytes: new Uint8Array(QUOTE_SIZE_MAX_BYTES + 1), kind: 'input', code: 'QUOTE_TOO_LARGE' },
  {
    what: 'another key type and vendor',
    bytes: ofAnother(changed(2, 9)),
    kind: 'input',
    code: 'QUOTE_KEY_TYPE_UNSUPPORTED',
  },
  { what: 'another technology and vendor', bytes: ofAnother(changed(4, 9)), kind: 'input', code: 'QUOTE_NOT_TDX' },
  { what: 'a TDX quote of another vendor', bytes: ofAnother(quote), kind: 'refused', code: 'QUOTE_VENDOR_UNKNOWN' },
  { what: 'a quote of SGX', bytes: sgx, kind: 'refused', code: 'QUOTE_VERSION_UNSUPPORTED' },
  { what: 'a quote of another key type', bytes: changed(2, 9), kind: 'refused', code: 'QUOTE_KEY_TYPE_UNSUPPORTED' },
  { what: 'a quote without its end', bytes: quote.subarray(0, 700), kind: 'refused', code: 'QUOTE_TRUNCATED' },
  {
    what: 'a quote in a large file',
    bytes: Buffer.concat([quote, new Uint8Array(QUOTE_SIZE_MAX_BYTES)]),
    kind: 'refused',
    code: 'QUOTE_TOO_LARGE',
  },
]

for (const { what, bytes, kind, code } of CASES)
  test(`decodeQuote: takes ${what} for ${kind === 'input' ? 'unusable input' : 'a quote, and refuses it'}`, () => {
    for (const read of [() => inspectQuote(bytes), () => verifyQuote({ quote: bytes, collateral, nowMs: NOW_MS })])
      assert.throws(read, (error) => {
        assert.ok(error instanceof QuoteError)
        assert.deepEqual([error.code, error.kind], [code, kind])
        return true
      })
  })
