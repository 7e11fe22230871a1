import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createQuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { createWorld } from './factory/world.ts'
import { REFUSALS } from './refusals.ts'

test('the factory: its unchanged world is accepted', () => {
  const { root, ...parameters } = createWorld()
  assert.equal(createQuoteVerifier({ root }).verify(parameters).tcbStatus, 'UpToDate')
})

for (const { check, code, changes, after, policy, nowMs } of REFUSALS) {
  test(`verifyQuote refuses ${check} (${code})`, () => {
    const made = createWorld(changes)
    const { root, ...parameters } = after ? after(made) : made
    assert.throws(
      () =>
        createQuoteVerifier({ root }).verify({
          ...parameters,
          ...(policy && { policy }),
          ...(nowMs !== undefined && { nowMs }),
        }),
      (error: unknown) => {
        assert.ok(error instanceof CoalitionError, String(error))
        assert.equal(error.code, code, error.message)
        return true
      },
    )
  })
}

/** Words in the same letters that are no codes. */
const NOT_CODES = ['QE_IDENTITY', 'TCB_INFO', 'TD_QE', 'NOT_YET_VALID']

test('refusals: every code in protocol/attestation is refused by a case or an own test', () => {
  const tested = new Set(REFUSALS.map(({ code }) => code))
  for (const code of ['COLLATERAL_FILE_INVALID', 'QUOTE_BINDING_MISMATCH', 'QUOTE_BINDING_STALE']) tested.add(code)
  const folder = new URL('../../../protocol/attestation/', import.meta.url)
  for (const file of readdirSync(folder)) {
    for (const [, code] of readFileSync(new URL(file, folder), 'utf8').matchAll(/'([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)'/g)) {
      if (!NOT_CODES.includes(code!)) assert.ok(tested.has(code!), `${code} in ${file}`)
    }
  }
})

test('refusals: docs/integrators/attestation.md has every case under its code, and no other code', () => {
  const page = readFileSync(new URL('../../../docs/integrators/attestation.md', import.meta.url), 'utf8')
  const rows = new Map(
    [...page.matchAll(/^\| (.*) \| .* \| `([A-Z0-9_]+)` \|$/gm)].map(([, checks, code]) => [
      code!,
      checks!.split('; '),
    ]),
  )
  const expected = new Map<string, string[]>()
  for (const { check, code } of REFUSALS) expected.set(code, [...(expected.get(code) ?? []), check])
  assert.deepEqual(rows, expected)
})
