import assert from 'node:assert/strict'
import { type RegistryErrorName, RegistryRefusedError } from '../../chain/registryRefusal.ts'

/** Asserts that the registry refuses with exactly this error, and for no other reason. */
export const assertRefused = (run: () => Promise<unknown>, errorName: RegistryErrorName): Promise<void> =>
  assert.rejects(run, (error) => {
    assert.ok(error instanceof RegistryRefusedError, String(error))
    assert.equal(error.errorName, errorName)
    return true
  })
