import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { addRedisOption } from '../../cli/redisOption.ts'
import { bind } from '../../client/bind.ts'
import { createEpochs } from '../../client/epochs.ts'
import { readComponent } from '../../client/readComponent.ts'
import { createSubmitter } from '../../client/submit.ts'
import { EXAMPLE_CONFIG } from '../../scripts/demo/committee.ts'
import { InvalidRedisUrlError } from '../../workers/queues.ts'

const chronicle = await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })
const NO_REDIS = ['', 'garbage', '127.0.0.1:6379', 'http://:secret@127.0.0.1:6379', 'redis:', 'redis://:secret@']

const isRefusal = (error: unknown): boolean =>
  error instanceof InvalidRedisUrlError && error.code === 'INVALID_REDIS_URL' && !error.message.includes('secret')

for (const url of NO_REDIS)
  test(`--redis: refuses "${url}" before the command runs`, async () => {
    let hasRun = false
    const command = addRedisOption(new Command()).action(() => {
      hasRun = true
    })
    await assert.rejects(command.parseAsync(['--redis', url], { from: 'user' }), isRefusal)
    assert.equal(hasRun, false)
  })

test('--redis: takes redis:// and rediss://', async () => {
  let given = ''
  for (const url of ['redis://127.0.0.1', 'rediss://user:secret@redis.example:6380/1']) {
    const command = addRedisOption(new Command()).action(({ redis }) => {
      given = redis
    })
    await command.parseAsync(['--redis', url], { from: 'user' })
    assert.equal(given, url)
  }
})

test('createSubmitter and bind: refuse what is no URL of a Redis, and connect to nothing', async () => {
  const { coalition, component, members } = chronicle
  for (const url of NO_REDIS) {
    await assert.rejects(createSubmitter({ redisUrl: url, epochs: createEpochs({ component, members }) }), isRefusal)
    await assert.rejects(bind(coalition, { chain: { rpcUrls: ['http://127.0.0.1:1'] }, redis: url }), isRefusal)
  }
})
