import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { KeyElsewhereError } from '../../../workers/member/driverErrors.ts'
import { openStore } from '../../../workers/member/store.ts'
import { StoreError } from '../../../workers/member/storeErrors.ts'
import { component, createEnvelope, createTestDir, signers, startTestMember } from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a member whose store is an old backup stops for good, and the others go on', async () => {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const dirOf = (index: number) => join(dir, String(index))
  const start = (index: number, isNew = true) =>
    startTestMember({ index, dir: dirOf(index), transport: network.connect(index), isNew })
  // Three of four: each one's votes are needed, so each one's votes are heard.
  const [first, second, third] = [await start(0), await start(1), await start(2)]
  await first.driver.submit(encodeEnvelope(createEnvelope(1n, ['{"n":1}'])))
  await until(() => third.replica.state().height === 1n)
  third.kill()
  cpSync(dirOf(2), join(dir, 'backup'), { recursive: true })

  const again = await start(2, false)
  await first.driver.submit(encodeEnvelope(createEnvelope(2n, ['{"n":2}'])))
  again.kill()
  rmSync(dirOf(2), { recursive: true })
  cpSync(join(dir, 'backup'), dirOf(2), { recursive: true })

  const restored = await start(2, false)
  await until(() => restored.faults.length > 0)
  assert.ok(restored.faults[0] instanceof KeyElsewhereError)
  restored.kill()
  assert.throws(() => openStore({ dir: dirOf(2), component, signer: signers[2]! }), StoreError)

  const fourth = await start(3)
  await first.driver.submit(encodeEnvelope(createEnvelope(3n, ['{"n":3}'])))
  assert.equal(first.replica.state().height, 3n)
  for (const member of [first, second, fourth]) member.kill()
})
