import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { readKeystore } from '../../../client/keystore.ts'
import { readComponent } from '../../../client/readComponent.ts'
import { chronicle as machine } from '../../../modules/chronicle/machine.ts'
import { encodeChronicleCommand } from '../../../protocol/wire/chronicleCommand.ts'
import { encodeEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE } from '../../../scripts/demo/committee.ts'
import { ROOT, startRedis } from '../../../scripts/services.ts'
import { initMember } from '../../../workers/member/initMember.ts'
import { createRedisTransport } from '../../../workers/member/redisTransport.ts'
import { connectRedis } from '../../../workers/runtime/redis.ts'
import { createTestDir, startMemberOf } from './chronicle-of-tests.ts'

test('KEY_ELSEWHERE: a member whose peers know more of its key ends with 1, and is not said to run after that', async (context) => {
  const service = await startRedis({ isPrivate: true })
  const logger = pino({ level: 'silent' })
  const redis = await connectRedis({ url: service.url, logger })
  const { component, parameters: encoded, signers } = await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })
  const password = readFileSync(PASSWORD_FILE, 'utf8').trim()
  const unlock = (name: string) => readKeystore({ path: keystorePath(name), password })
  // Three of four: each one's votes are needed, so each one's votes are heard.
  const running = await Promise.all(
    [0, 1, 2].map(async (index) =>
      startMemberOf(machine, {
        ...{ index, dir: createTestDir(), component, committee: signers, encoded },
        transport: createRedisTransport({ redis, logger }, { component }),
        key: await unlock(`member-${index}`),
      }),
    ),
  )
  context.after(async () => {
    for (const member of running) member.kill()
    redis.disconnect()
    await service.stop()
  })
  const { signer: submitter, secretKey } = await unlock('submitter')
  const commands = [encodeChronicleCommand({ kind: 'recordStatement', statement: new Uint8Array([1]) })]
  const envelope = signEnvelope({ component, submitter, sequence: 1n, commands }, secretKey)
  await running[0]!.driver.submit(encodeEnvelope(envelope))
  running.pop()!.kill()

  const store = join(createTestDir(), 'store')
  const keystore = keystorePath('member-2')
  await initMember({ config: EXAMPLE_CONFIG, kind: 'chronicle', keystore, dir: store })
  const env = {
    ...{ ...process.env, COALITION_CONFIG: EXAMPLE_CONFIG, COMPONENT: 'chronicle', KEYSTORE: keystore, STORE: store },
    ...{ KEYSTORE_PASSWORD_FILE: PASSWORD_FILE, REDIS_URL: service.url, HTTP_PORT: '0' },
  }
  const child = spawn(process.execPath, ['workers/member/main.ts', 'run'], { cwd: ROOT, env })
  let [said, output] = ['', '']
  child.stderr.on('data', (chunk) => (said += chunk))
  child.stdout.on('data', (chunk) => (output += chunk))
  const status = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(status, 1, said)
  assert.match(said, /"code":"KEY_ELSEWHERE"/)
  const messages = said.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line).msg as string] : []))
  const runsAt = messages.indexOf('member runs')
  assert.ok(runsAt < messages.indexOf('shutting down'), said)
  assert.equal(output === '', runsAt < 0)
})
