import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseCoalition } from '../../../protocol/identity/coalition.ts'
import { fromHex, toHex } from '../../../protocol/identity/configCodec.ts'
import { deriveAll } from '../../../protocol/identity/derivation.ts'
import { anyConfig } from './anyConfig.ts'
import { derivePlainly } from './plainDerivation.ts'

test('deriveAll: equals the formulas of spec §3 written a second time, for any config', () => {
  fc.assert(
    fc.property(anyConfig, (file) => {
      assert.deepEqual(deriveAll(parseCoalition(JSON.stringify(file))), derivePlainly(file))
    }),
    { numRuns: 150 },
  )
})

test('toHex and fromHex: are exact inverses, and every id is derived from the string alone', () => {
  fc.assert(
    fc.property(anyConfig, (file) => {
      const coalition = parseCoalition(JSON.stringify(file))
      const decoded = fromHex(toHex(coalition))
      assert.equal(toHex(decoded), toHex(coalition))
      assert.deepEqual(deriveAll(decoded), deriveAll(coalition))
      // The file that it spells is a config file like any other.
      assert.deepEqual(deriveAll(parseCoalition(JSON.stringify(decoded.file))), deriveAll(coalition))
    }),
    { numRuns: 100 },
  )
})
