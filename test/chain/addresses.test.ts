import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'

test('the example coalition names the registry’s address, which follows from its code', () => {
  const path = join(import.meta.dirname, '../../examples/superchain/coalition.json')
  const { home } = JSON.parse(readFileSync(path, 'utf8')) as { home: { registry: string } }
  assert.equal(home.registry, COMPONENT_REGISTRY_ADDRESS)
})
