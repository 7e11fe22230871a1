import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createKey, readKeystoreAddress, writeKeystore } from '../../client/keystore.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readComponent } from '../../client/readComponent.ts'
import { toHex } from '../../protocol/bytes.ts'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE, runCli } from '../../scripts/demo/committee.ts'
import { startProcess, startRedis, stopProcess } from '../../scripts/services.ts'
import { initStore } from '../../workers/member/store.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const issuer = generateKeyPairSync('ed25519')
const publicKey = toHex(Uint8Array.from(issuer.publicKey.export({ type: 'spki', format: 'der' }).subarray(12)))

function createToken(subject: string): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const seconds = Math.floor(Date.now() / 1_000)
  const claims = { iss: 'issuer', aud: 'committee', sub: subject, iat: seconds - 1, exp: seconds + 3_000 }
  const message = `${encode({ alg: 'EdDSA' })}.${encode(claims)}`
  return `${message}.${sign(null, Buffer.from(message), issuer.privateKey).toString('base64url')}`
}

test('committee rotate: approves a newcomer by the word of the approver’s own member, once it is admitted', async (context) => {
  const dir = createTestDir()
  const redis = await startRedis({ isPrivate: true })
  const children: Parameters<typeof stopProcess>[0][] = []
  context.after(async () => {
    await Promise.all(children.map(stopProcess))
    await redis.stop()
  })
  const password = readFileSync(PASSWORD_FILE, 'utf8').split('\n')[0]!
  const newcomer = createKey()
  const newKeystore = join(dir, 'newcomer.json')
  await writeKeystore(newcomer, { path: newKeystore, password })
  const [tickets, config, next] = ['tickets', 'coalition', 'next'].map((name) => join(dir, `${name}.json`)) as [
    string,
    string,
    string,
  ]

  // A committee of one, which admits whoever has a token for itself.
  const { $schema: _, ...file } = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8'))
  const member = file.modules.chronicle.members.find(
    ({ signer }: { signer: string }) =>
      signer === `0x${JSON.parse(readFileSync(keystorePath('member-0'), 'utf8')).address}`,
  )
  const rule = { class: 'jwt', issuer: 'issuer', audience: 'committee', subject: 'peer', lifetimeMaxMs: 3_600_000 }
  const { parameters } = file.modules.chronicle
  const admission = [{ ...rule, keys: [{ algorithm: 'EdDSA', publicKey }] }]
  const gated = { ...file, modules: { chronicle: { parameters, members: [member], admission } } }
  writeFileSync(config, JSON.stringify(gated))
  const { signer, noteKey } = newcomer
  const seats = [member, { signer, noteKey }].sort((a, b) => (a.signer < b.signer ? -1 : 1))
  writeFileSync(next, JSON.stringify(seats))
  // The newcomer's token is of another subject at first.
  writeFileSync(tickets, JSON.stringify([{ class: 'jwt', token: createToken(member.signer) }]))

  const { component } = await readComponent(config, { kind: 'chronicle' })
  const start = async (name: string, keystore: string, more: Record<string, string> = {}): Promise<string> => {
    const env = {
      ...{ COALITION_CONFIG: config, KEYSTORE: keystore, KEYSTORE_PASSWORD_FILE: PASSWORD_FILE, HTTP_PORT: '0' },
      ...{ STORE: join(dir, name), REDIS_URL: redis.url, ...more },
    }
    mkdirSync(join(dir, 'logs'), { recursive: true })
    const options = {
      env,
      logFile: join(dir, 'logs', `${name}.log`),
      onStart: (child: (typeof children)[number]) => void children.push(child),
    }
    initStore({ dir: env.STORE, component, signer: await readKeystoreAddress(keystore) })
    const { line } = await startProcess(['workers/member/main.ts', 'run'], options)
    return (JSON.parse(line) as { url: string }).url
  }
  const url = await start('member-0', keystorePath('member-0'))
  const newUrl = await start('newcomer', newKeystore, { TICKETS: tickets })
  const rotate = (log: string, more: readonly string[] = []) =>
    runCli([
      ...['committee', 'rotate', '--config', config, '--members', next, '--log', log, '--redis', redis.url, '--json'],
      ...['--key', keystorePath('member-0'), '--password-file', PASSWORD_FILE, ...more],
    ])
  const codeOf = ({ status, said }: { status: number; said: string }): string => {
    assert.equal(status, 1, said)
    return JSON.parse(said.split('\n').at(-1)!).error.code
  }
  const log = createLogReader({ url })
  const refused = async () => (await log.readStatus()).admission?.refused ?? []
  while ((await refused()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(
    (await refused()).map((refusal) => [refusal.signer, refusal.code]),
    [[signer, 'TICKET_SUBJECT_MISMATCH']],
  )
  assert.equal(codeOf(await rotate(url)), 'ENTRANT_NOT_ADMITTED')
  assert.equal(codeOf(await rotate(url, ['--print'])), 'ENTRANT_NOT_ADMITTED')

  writeFileSync(tickets, JSON.stringify([{ class: 'jwt', token: createToken(signer) }]))
  const admitted = async () => (await log.readStatus()).admission?.admitted ?? []
  while ((await admitted()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(
    (await admitted()).map((peer) => [peer.signer, peer.isEnding]),
    [[signer, false]],
  )
  // The newcomer has admitted itself, too; the approver's operator does not take its word for it.
  assert.equal(codeOf(await rotate(newUrl)), 'ADMISSION_UNTRUSTED')
  const decided = await rotate(url)
  assert.equal(decided.status, 0, decided.said)
  assert.equal(JSON.parse(decided.output).status, 'decided')
})
