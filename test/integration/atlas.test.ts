import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createAtlasModelReader } from '../../client/atlasModel.ts'
import { createKey, writeKeystore } from '../../client/keystore.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { type CliResult, EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE, runCli } from '../../scripts/demo/committee.ts'
import { startProcess, stopProcess } from '../../scripts/services.ts'
import { cardOf, lattice, organism } from '../client/atlasWorld.ts'
import { type CardServer, createAuthority, serveCards } from '../workers/atlas-sync/cardServer.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { startCommittee, startWorld, until, type World } from './world.ts'

const newcomer: Hex = `0x${'c3'.repeat(32)}`
const dir = createTestDir()
const config = join(dir, 'coalition.json')
const password = readFileSync(PASSWORD_FILE, 'utf8').split('\n')[0]!

/** Four members of an Atlas, an anchorer, a Redis, a chain, and a citizen's server. The tests go through one Atlas's life. */
let world: World
let atlas: Component
let logs: string[]
let cards: CardServer
const served = new Map<string, string>()
const keystoreOf = (name: string): string => join(dir, `${name}.json`)

/** The example's config with an Atlas of the same committee, and these citizens. */
function writeConfig(path: string, citizens: readonly { citizen: Hex; cardSigner: Hex }[]): void {
  const { $schema: _schema, ...file } = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8'))
  const { members, parameters } = file.modules.chronicle
  const cadence = { anchorEveryCommits: 1, anchorEverySeconds: 1 }
  const entry = { members, parameters: { submitters: parameters.submitters, citizens, ...cadence } }
  writeFileSync(path, JSON.stringify({ ...file, modules: { ...file.modules, atlas: entry } }))
}

before(async () => {
  world = await startWorld()
  const authority = createAuthority()
  writeFileSync(join(dir, 'ca.pem'), authority.ca)
  cards = await serveCards(authority.issue('127.0.0.1'), (response, { url = '' }) => {
    const text = served.get(url)
    if (text === undefined) response.writeHead(404).end()
    else response.end(text)
  })
  const keys = { lattice: createKey(), organism: createKey() }
  for (const [name, key] of Object.entries(keys)) await writeKeystore(key, { path: keystoreOf(name), password })
  writeConfig(config, [
    { citizen: lattice, cardSigner: keys.lattice.signer },
    { citizen: organism, cardSigner: keys.organism.signer },
  ])
  writeConfig(join(dir, 'republished.json'), [
    { citizen: organism, cardSigner: keys.organism.signer },
    { citizen: newcomer, cardSigner: keys.lattice.signer },
  ])
  atlas = await readComponent(config, { kind: 'atlas' })
  logs = (await startCommittee({ ...world, config, component: 'atlas', dir })).map(({ url }) => url)
})
after(async () => {
  cards.close()
  await world.stop()
})

async function startWorker(of = config): Promise<{ child: ChildProcess; url: string }> {
  const { child, line } = await startProcess(['workers/atlas-sync/main.ts', 'run'], {
    ...world.start,
    logFile: join(dir, 'atlas-sync.log'),
    env: {
      ...{ COALITION_CONFIG: of, KEYSTORE: keystorePath('submitter'), KEYSTORE_PASSWORD_FILE: PASSWORD_FILE },
      ...{ REDIS_URL: world.redisUrl, RPC_URLS: world.rpcUrl, LOG_URLS: logs.join(), CONFIRMATIONS: '1' },
      ...{ REFRESH_EVERY_MS: '200', CARD_EVERY_MS: '500', ALLOW_PRIVATE_NETWORKS: 'yes' },
      CARD_CA_FILE: join(dir, 'ca.pem'),
      SELF_PUBLISHED: [lattice, organism].map((id) => `${id}=https://127.0.0.1:${cards.port}/${id}`).join(),
    },
  })
  return { child, url: (JSON.parse(line) as { url: string }).url }
}

const run = (words: readonly string[]): Promise<CliResult> => runCli(['atlas', ...words, '--json'])
const write = (words: readonly string[], key: string): Promise<CliResult> =>
  run([
    ...[...words, '--config', config, '--key', key, '--password-file', PASSWORD_FILE],
    ...['--log', ...logs, '--redis', world.redisUrl],
  ])

function outputOf<T>({ status, output, said }: CliResult): T {
  assert.equal(status, 0, said)
  return JSON.parse(output) as T
}

function codeOf({ status, said }: CliResult): string {
  assert.notEqual(status, 0)
  return (JSON.parse(said.split('\n').at(-1)!) as { error: { code: string; message: string } }).error.code
}

function draftFile(citizen: Hex, changes: object = {}): string {
  const path = join(dir, 'draft.json')
  writeFileSync(path, JSON.stringify({ ...cardOf(citizen), ...changes }))
  return path
}

type Shown = { under: string; card: { sequence: string; endpoints: string[] } | null; sequence: string }

test('atlas: a citizen publishes its card with the command line, and anyone reads it from members, with or without the chain', async () => {
  outputOf(await write(['publish', '--file', draftFile(lattice)], keystoreOf('lattice')))
  await until(async () => (await run(['list', '--config', config, '--log', logs[0]!])).status === 0)
  const show = (...words: string[]) => run(['show', lattice.slice(0, 42), '--config', config, ...words])
  const shown = outputOf<Shown>(await show('--log', ...logs))
  assert.deepEqual([shown.under, shown.card?.sequence], ['certificate', '1'])
  await until(async () => (await show('--log', ...logs, '--rpc', world.rpcUrl)).status === 0)
  const anchored = outputOf<Shown>(await show('--log', ...logs, '--rpc', world.rpcUrl))
  assert.deepEqual([anchored.under, anchored.card?.endpoints], ['chain', [...cardOf(lattice).endpoints]])
  const stranger = await write(['withdraw', '--citizen', lattice, '--sequence', '9'], keystoreOf('organism'))
  assert.equal(codeOf(stranger), 'SUBMISSION_REFUSED')
  assert.equal(codeOf(await run(['show', newcomer, '--config', config, '--log', logs[0]!])), 'NOT_IN_ATLAS')
  assert.equal(codeOf(await run(['list', '--config', config])), 'MISSING_SOURCE')
})

test('atlas-sync: brings what a citizen signed and serves itself, a contract takes the proof, and a forged card comes to nothing', async () => {
  const sign = (citizen: Hex, key: string, sequence: string) =>
    runCli([
      ...['atlas', 'sign', '--config', config, '--file', draftFile(citizen), '--sequence', sequence],
      ...['--key', keystoreOf(key), '--password-file', PASSWORD_FILE],
    ])
  const signed = await sign(organism, 'organism', '7')
  assert.equal(signed.status, 0, signed.said)
  served.set(`/${organism}`, signed.output)
  served.set(`/${lattice}`, (await sign(lattice, 'organism', '8')).output)
  const { child, url } = await startWorker()
  const reader = createAtlasModelReader({ url, atlas, chain: world.chain })
  const isThere = async (): Promise<boolean> => {
    const found = await reader.readCitizen(organism).catch((error: { code?: string }) => {
      // Between two reads of the worker an anchor may come, and before the first there is nothing.
      assert.ok(['ATLAS_MODEL_UNREACHABLE', 'ATLAS_ANSWER_UNPROVEN'].includes(error.code ?? ''), String(error))
    })
    return found?.card?.card.sequence === 7n
  }
  await until(isThere)
  const { card, basis } = await reader.readCitizen(organism)
  assert.ok(basis.kind === 'anchored')
  await world.registry.verifyStateItem({ component: atlas.component, head: basis.head, maxAgeMs: 600_000n, ...card! })

  const health = async () => (await (await fetch(`${url}/health`)).json()) as { outcomes: Record<string, number> }
  await until(async () => ((await health()).outcomes.CARD_FORGED ?? 0) > 0)
  assert.equal((await reader.readCitizen(lattice)).card?.card.sequence, 1n)
  const { components } = (await (await fetch(`${url}/components`)).json()) as {
    components: { name: string; component: Hex; confirmed: { height: string } | null }[]
  }
  const own = components.find(({ component }) => component === atlas.component)
  assert.deepEqual([own?.name, BigInt(own?.confirmed?.height ?? 0) > 0n], ['atlas', true])

  // Killed in the middle and started again, it has everything from the chain and the members.
  const listed = outputOf<object>(await run(['list', '--config', config, '--worker', url, '--rpc', world.rpcUrl]))
  const offChain = await runCli(['atlas', 'list', '--config', config, '--worker', url])
  assert.match(offChain.output, /^certified {2}height /)
  assert.match(
    offChain.said,
    /^without --rpc: certified, and not compared with the chain\nwithout --log: a retirement /,
  )
  const withLogs = await runCli(['atlas', 'show', organism, '--config', config, '--worker', url, '--log', ...logs])
  assert.equal(withLogs.said, 'without --rpc: certified, and not compared with the chain')
  child.kill('SIGKILL')
  const again = await startWorker()
  const relisted = () => run(['list', '--config', config, '--worker', again.url, '--rpc', world.rpcUrl])
  await until(async () => (await relisted()).status === 0)
  assert.deepEqual(outputOf(await relisted()), listed)
  await stopProcess(again.child)
})

test('atlas-sync: brings the citizens of a republished config, and the card of one that left is gone', async () => {
  const { child, url } = await startWorker(join(dir, 'republished.json'))
  const reader = createAtlasModelReader({ url, atlas, chain: world.chain })
  const seatOf = async (citizen: Hex) => (await reader.readCitizen(citizen).catch(() => undefined))?.seat
  await until(async () => (await seatOf(newcomer))?.isListed === true)
  await until(async () => (await seatOf(lattice))?.isListed === false)
  assert.equal((await reader.readCitizen(lattice)).card, undefined)
  outputOf(await write(['withdraw', '--citizen', organism, '--sequence', '8'], keystoreOf('organism')))
  await until(async () => (await seatOf(organism))?.sequence === 8n)
  // What its server still serves is older, and does not come back.
  const health = async () => (await (await fetch(`${url}/health`)).json()) as { outcomes: Record<string, number> }
  await until(async () => ((await health()).outcomes.CARD_STALE ?? 0) > 0)
  assert.equal((await reader.readCitizen(organism)).card, undefined)
  await stopProcess(child)
})
