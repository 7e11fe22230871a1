import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { toJsonSchema } from '../../../protocol/identity/configSchema.ts'

test('coalition.schema.json: is what scripts/generate-schema.ts writes', () => {
  const path = new URL('../../../protocol/identity/coalition.schema.json', import.meta.url)
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), JSON.parse(JSON.stringify(toJsonSchema())))
})
