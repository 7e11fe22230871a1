import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { listTransactions, status as readStatus } from '@nomicfoundation/ignition-core'
import { DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'
import { connectChain } from '../../chain/connectChain.ts'
import { hasCode } from '../../chain/deployRegistry.ts'
import { type Service, startChain } from '../../scripts/services.ts'
import { runCoalition } from './run.ts'

/** A chain on loopback that poses as Sepolia: nothing here reaches a public network. */
let node: Service
const folder = mkdtempSync(join(tmpdir(), 'coalition-deployments-'))
const CHAIN_ID = 11_155_111
// Public: the first account of every Hardhat node.
const SECRET_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

before(async () => {
  node = await startChain({ isPrivate: true, chainId: CHAIN_ID })
})
after(async () => {
  await node.stop()
  rmSync(folder, { recursive: true })
})

const deploy = (words: readonly string[], env: Record<string, string> = {}) => {
  for (const name of ['SEPOLIA_RPC_URL', 'HOODI_RPC_URL', 'DEPLOYER_SECRET_KEY']) delete process.env[name]
  Object.assign(process.env, env)
  return runCoalition(['deploy', ...words])
}
const readCode = async (): Promise<boolean[]> => {
  const chain = await connectChain({ rpcUrl: node.url, chainId: CHAIN_ID })
  return Promise.all(DEPLOYED_CONTRACTS.map(({ address }) => hasCode(chain, address)))
}

test('deploy: a public network gets a dry run, which says what it would do and sends nothing', async () => {
  const { status, stdout, stderr } = await deploy(['--network', 'sepolia'], { SEPOLIA_RPC_URL: node.url })
  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout).isDryRun, true)
  assert.match(stderr, /nothing is sent/)
  for (const { name, address } of DEPLOYED_CONTRACTS) assert.ok(stderr.includes(`would create ${name} at ${address}`))
  assert.deepEqual(await readCode(), [false, false, false])
})

test('deploy: refuses to send without a key, and to a chain that is not the network’s', async () => {
  const without = await deploy(['--network', 'sepolia', '--yes'], { SEPOLIA_RPC_URL: node.url })
  assert.equal(without.status, 2)
  assert.match(without.stderr, /DEPLOYMENT_SETTING_MISSING.*DEPLOYER_SECRET_KEY/)
  assert.match(without.stderr, /keystore set DEPLOYER_SECRET_KEY\.$/m)
  const hoodi = await deploy(['--network', 'hoodi', '--yes'], {
    HOODI_RPC_URL: node.url,
    DEPLOYER_SECRET_KEY: SECRET_KEY,
  })
  assert.match(hoodi.stderr, /WRONG_CHAIN/)
  const unknown = await deploy(['--network', 'mainnet'])
  assert.match(unknown.stderr, /UNKNOWN_NETWORK/)
  assert.deepEqual(await readCode(), [false, false, false])
})

test('deploy: with --yes it sends, Ignition’s journal has it, and a second run changes neither', async () => {
  const words = ['--network', 'sepolia', '--yes', '--records', folder]
  const env = { SEPOLIA_RPC_URL: node.url, DEPLOYER_SECRET_KEY: SECRET_KEY }
  const { status, stderr } = await deploy(words, env)
  assert.equal(status, 0, stderr)
  assert.deepEqual(await readCode(), [true, true, true])
  const records = join(folder, 'deployments/sepolia')
  const addresses = JSON.parse(readFileSync(join(records, 'deployed_addresses.json'), 'utf8'))
  const expected = DEPLOYED_CONTRACTS.map(({ name, address }) => [`Registries#${name}`, address])
  assert.deepEqual(addresses, Object.fromEntries(expected))
  assert.equal((await readStatus(records)).chainId, CHAIN_ID)
  const sent = await listTransactions(records, {} as never)
  assert.deepEqual(
    sent.map(({ status }) => status),
    ['SUCCESS', 'SUCCESS', 'SUCCESS'],
  )
  for (const { txHash } of sent) assert.match(txHash, /^0x[0-9a-f]{64}$/)
  const journal = readFileSync(join(records, 'journal.jsonl'), 'utf8')
  assert.equal(journal.includes(SECRET_KEY.slice(2)), false)
  assert.equal((await deploy(words, env)).status, 0)
  assert.equal(readFileSync(join(records, 'journal.jsonl'), 'utf8'), journal)
})
