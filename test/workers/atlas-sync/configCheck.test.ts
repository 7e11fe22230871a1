import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCoalitionRegistry } from '../../../chain/coalitionRegistry.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { createConfigCheck } from '../../../workers/atlas-sync/configCheck.ts'
import { createTestChain } from '../../chain/createTestChain.ts'

test('createConfigCheck: a config is the newest until its operator publishes another', async () => {
  const { chain, sender, stranger, deploy } = await createTestChain()
  const { address } = await deploy('contracts/CoalitionRegistry.sol')
  const registry = await openCoalitionRegistry(chain, { address })
  const older = defineCoalition({ schemaVersion: 1, name: 'test' })
  const newer = defineCoalition({ schemaVersion: 1, name: 'test', organisms: [{ role: 'oracle', name: 'feed' }] })
  const publish = (config: typeof older | typeof newer, by = sender) =>
    registry.publish(by, { coalition: config.coalition(), coalitionId: config.coalitionId(), config: '0x01' })
  const isNewest = (coalition: typeof older | typeof newer, operator = sender.address) =>
    createConfigCheck({ chain }, { coalition, operator, address })()

  assert.equal(await isNewest(older), false)
  await publish(older)
  assert.deepEqual([await isNewest(older), await isNewest(newer)], [true, false])
  await publish(newer, stranger)
  assert.deepEqual([await isNewest(older), await isNewest(newer)], [true, false])
  await publish(newer)
  assert.deepEqual([await isNewest(older), await isNewest(newer)], [false, true])
  assert.equal(await createConfigCheck({ chain }, { coalition: older, operator: undefined })(), true)
  await assert.rejects(createConfigCheck({ chain }, { coalition: older, operator: sender.address })(), {
    code: 'NO_CONTRACT',
  })
})
