import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE } from '../../../scripts/demo/committee.ts'
import { createTestDir } from '../member/chronicle-of-tests.ts'

const ROOT = join(import.meta.dirname, '../../..')
const pinOf = (byte: string) => ({
  mrTd: `0x${byte.repeat(48)}`,
  rtMr: ['a0', 'a1', 'a2'].map((each) => `0x${each.repeat(48)}`),
})
const policy = { measurements: [pinOf('11')] }

function write(name: string, content: string): string {
  const path = join(createTestDir(), name)
  writeFileSync(path, content)
  return path
}

const { $schema: _, ...file } = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8'))
const configWith = (changes: object): string =>
  write(
    'coalition.json',
    JSON.stringify({ ...file, modules: { chronicle: { ...file.modules.chronicle, ...changes } } }),
  )
const gated = configWith({ admission: [{ class: 'tdx', policy }] })
const policyFile = (value: unknown): string => write('policy.json', JSON.stringify(value))

/** How an attestation worker of these settings ends, which finds no Redis where nothing stops it before. */
async function run(
  settings: Record<string, string>,
): Promise<{ status: number | null; code: string; message: string }> {
  const child = spawn(process.execPath, ['workers/attestation/main.ts', 'run'], {
    cwd: ROOT,
    env: {
      ...{ PATH: process.env.PATH, LOG_LEVEL: 'silent', REDIS_URL: 'redis://127.0.0.1:1' },
      ...{ KEYSTORE: keystorePath('member-0'), KEYSTORE_PASSWORD_FILE: PASSWORD_FILE },
      ...{ COLLATERAL_DIR: createTestDir(), ...settings },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const { code, message } = JSON.parse(said).error as { code: string; message: string }
  return { status, code, message }
}

for (const { name, settings, code, message } of [
  {
    name: 'a POLICY that is not the rule’s',
    settings: { COALITION_CONFIG: gated, POLICY: policyFile({ measurements: [pinOf('12')] }) },
    code: 'INVALID_SETTING',
    message: /^The setting POLICY cannot be used: it is not the policy of the rule that the config has\.$/,
  },
  {
    name: 'a POLICY that is laxer than the rule’s',
    settings: { COALITION_CONFIG: gated, POLICY: policyFile({ measurements: [pinOf('11'), pinOf('12')] }) },
    code: 'INVALID_SETTING',
    message: /^The setting POLICY /,
  },
  {
    name: 'a config with the rules’ signature alone',
    settings: { COALITION_CONFIG: configWith({ validators: `0x${'11'.repeat(32)}` }) },
    code: 'ADMISSION_RULES_MISSING',
    message: /the signature of the ticket validators and not their rules/,
  },
  {
    name: 'a POLICY that is not there',
    settings: { COALITION_CONFIG: EXAMPLE_CONFIG, POLICY: '/no/such/policy.json' },
    code: 'UNREADABLE_INPUT',
    message: /policy\.json/,
  },
  {
    name: 'a POLICY that is not JSON',
    settings: { COALITION_CONFIG: EXAMPLE_CONFIG, POLICY: write('policy.json', 'UpToDate') },
    code: 'POLICY_INVALID',
    message: /not JSON/,
  },
])
  test(`an attestation worker does not start with ${name}`, async () => {
    const ended = await run(settings)
    assert.deepEqual([ended.status, ended.code], [2, code])
    assert.match(ended.message, message)
  })

for (const { name, settings } of [
  { name: 'the rule’s own policy', settings: { COALITION_CONFIG: gated, POLICY: policyFile(policy) } },
  {
    name: 'a policy of its own, where there is no rule',
    settings: { COALITION_CONFIG: EXAMPLE_CONFIG, POLICY: policyFile(policy) },
  },
  { name: 'the rule alone', settings: { COALITION_CONFIG: gated } },
])
  test(`an attestation worker goes on to its Redis with ${name}`, async () => {
    assert.equal((await run(settings)).code, 'REDIS_UNREACHABLE')
  })
