import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, '../..', path), 'utf8'))

test('addresses: the sources, the compiler and its settings still give the addresses that deployments/ has on record', () => {
  const addresses = DEPLOYED_CONTRACTS.map(({ name, address }) => [name, address])
  assert.deepEqual(readJson('deployments/addresses.json'), Object.fromEntries(addresses))
})

test('the example coalition names the registry’s address, which follows from its code', () => {
  const { home } = readJson('examples/superchain/coalition.json') as { home: { registry: string } }
  assert.equal(home.registry, COMPONENT_REGISTRY_ADDRESS)
})
