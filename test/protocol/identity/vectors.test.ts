import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseCoalition } from '../../../protocol/identity/coalition.ts'
import { deriveAll } from '../../../protocol/identity/derivation.ts'

type Vector = { name: string; input: unknown; expected: unknown }
const path = new URL('../../vectors/identity/vectors.json', import.meta.url)
const vectors: Vector[] = JSON.parse(readFileSync(path, 'utf8'))

for (const { name, input, expected } of vectors)
  test(`spec §3.2 vector: ${name}`, () => {
    const derived = deriveAll(parseCoalition(JSON.stringify(input)))
    // As text, so that the order of keys counts too.
    assert.equal(JSON.stringify(derived, null, 1), JSON.stringify(expected, null, 1))
  })
