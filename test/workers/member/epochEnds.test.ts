import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogReader, NotInLogError } from '../../../client/logReader.ts'
import { createTestCommittee } from '../../chain/testCommittee.ts'
import { startScriptedLog } from '../chronicle-anchor/scriptedLog.ts'
import { component } from './chronicle-of-tests.ts'

test('/commit/epoch: serves the commit that ended an epoch, however long the epochs are, and of no other', async () => {
  const committee = createTestCommittee({ name: 'epoch ends', memberCount: 4 })
  const log = await startScriptedLog({ component, committee })
  const reader = createLogReader({ url: log.url })
  await assert.rejects(reader.readEpochEnd(0n), NotInLogError)
  const ends: bigint[] = []
  for (const commitCount of [5, 0, 1, 12]) {
    for (let index = 0; index < commitCount; index++) log.decide([`entry ${index}`])
    ends.push(log.rotate({ name: `committee ${ends.length + 1}`, memberCount: 4 }).height)
    for (const [epoch, height] of ends.entries()) {
      const { commit } = await reader.readEpochEnd(BigInt(epoch))
      assert.deepEqual([commit.epoch, commit.height], [BigInt(epoch), height])
    }
    await assert.rejects(reader.readEpochEnd(BigInt(ends.length)), NotInLogError)
  }
  log.decide(['the last epoch goes on'])
  await assert.rejects(reader.readEpochEnd(4n), NotInLogError)
  for (const path of ['commit/epoch/', 'commit/epoch/00', 'commit/epoch/-1', 'commit/epoch/1/2', 'commit/epoch'])
    assert.equal((await fetch(`${log.url}/${path}`)).status, 404, path)
  await log.close()
})
