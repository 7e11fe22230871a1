import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import { status } from '@nomicfoundation/ignition-core'
import { DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'
import { type Chain, connectChain } from '../../chain/connectChain.ts'
import { createSender, type Sender } from '../../chain/createSender.ts'
import { deployRegistry, ensureProxy, hasCode } from '../../chain/deployRegistry.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { type Service, startChain } from '../../scripts/services.ts'

/** What a deployment meets on a chain that is not its own. Between script and node stands a gate, which a test may close. */
const ROOT = join(import.meta.dirname, '../..')
const CHAIN_ID = 11_155_111
// Public: the first two accounts of every Hardhat node.
const SECRET_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const STRANGER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'

type Request = { method: string; params?: readonly unknown[] }
type Gate = (request: Request, forward: () => Promise<string>) => Promise<string>
type Run = { exit: number | null; stderr: string; created: readonly string[] }

let node: Service
let gateServer: Server
let gateUrl: string
let gate: Gate
let chain: Chain
let deployer: Sender
let stranger: Sender
let snapshot: unknown
const folders = mkdtempSync(join(tmpdir(), 'coalition-deployments-'))
let folder: string
const [componentRegistry, ticketVerifier, coalitionRegistry] = DEPLOYED_CONTRACTS.map(({ name }) => name)

before(async () => {
  node = await startChain({ isPrivate: true, chainId: CHAIN_ID })
  gateServer = createServer(async (incoming, outgoing) => {
    const request = (await json(incoming)) as Request
    outgoing.setHeader('content-type', 'application/json').end(await gate(request, () => forward(request)))
  })
  await new Promise<void>((resolve) => gateServer.listen(0, '127.0.0.1', resolve))
  gateUrl = `http://127.0.0.1:${(gateServer.address() as { port: number }).port}`
  chain = await connectChain({ rpcUrl: node.url, chainId: CHAIN_ID })
  deployer = createSender(chain, { secretKey: fromHex(SECRET_KEY) })
  stranger = createSender(chain, { secretKey: fromHex(STRANGER_KEY) })
  await ensureProxy(stranger)
  snapshot = await ask('evm_snapshot')
})
after(async () => {
  await node.stop()
  gateServer.closeAllConnections()
  gateServer.close()
  rmSync(folders, { recursive: true })
})
beforeEach(async () => {
  await ask('evm_revert', snapshot)
  snapshot = await ask('evm_snapshot')
  gate = (_request, pass) => pass()
  folder = mkdtempSync(join(folders, 'run-'))
})

const forward = async (request: object): Promise<string> => {
  const headers = { 'content-type': 'application/json' }
  return (await fetch(node.url, { method: 'POST', headers, body: JSON.stringify(request) })).text()
}
const ask = async (method: string, ...params: unknown[]): Promise<unknown> => {
  return (JSON.parse(await forward({ jsonrpc: '2.0', id: 1, method, params })) as { result: unknown }).result
}
const readNonce = (): Promise<number> => chain.client.getTransactionCount({ address: deployer.address })
const readThere = async (): Promise<string[]> => {
  const there = []
  for (const { name, address } of DEPLOYED_CONTRACTS) if (await hasCode(chain, address)) there.push(name)
  return there
}
const readStatus = () => status(join(folder, 'deployments/sepolia'))

/** `onStart` is given what kills the script at once. */
async function deploy({ key = SECRET_KEY, onStart = (_kill: () => void) => {} } = {}): Promise<Run> {
  const words = ['scripts/deploy.ts', '--network', 'sepolia', '--yes', '--records', folder]
  const env = { ...process.env, SEPOLIA_RPC_URL: gateUrl, DEPLOYER_SECRET_KEY: key }
  const child = spawn(process.execPath, words, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  onStart(() => void child.kill('SIGKILL'))
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, exit] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  type Result = { contracts: { name: string; isCreated: boolean }[] }
  const contracts = exit === 0 ? (JSON.parse(stdout) as Result).contracts : []
  return { exit, stderr, created: contracts.filter(({ isCreated }) => isCreated).map(({ name }) => name) }
}

/** Runs until the script sends its nth transaction, and kills it: before the node has it, or before the node's answer. */
async function deployUntil({ nth, killed }: { nth: number; killed: 'beforeSending' | 'beforeAnswer' }): Promise<void> {
  let sentCount = 0
  let kill = () => {}
  gate = async ({ method }, pass) => {
    if (method !== 'eth_sendRawTransaction' || ++sentCount < nth) return await pass()
    if (killed === 'beforeAnswer') await pass()
    kill()
    return ''
  }
  assert.equal((await deploy({ onStart: (killScript) => (kill = killScript) })).exit, null)
  gate = (_request, pass) => pass()
}

async function assertComplete(): Promise<void> {
  assert.deepEqual(await readThere(), [componentRegistry, ticketVerifier, coalitionRegistry])
  const { contracts, started, failed, timedOut, held } = await readStatus()
  const addresses = Object.values(contracts).map(({ contractName, address }) => [contractName, address])
  const expected = DEPLOYED_CONTRACTS.map(({ name, address }) => [name, address])
  assert.deepEqual(Object.fromEntries(addresses), Object.fromEntries(expected))
  assert.deepEqual({ started, failed, timedOut, held }, { started: [], failed: [], timedOut: [], held: [] })
}

test('deploy: killed between two transactions, and again before the node answered, it goes on and sends nothing twice', async () => {
  const before = await readNonce()
  await deployUntil({ nth: 2, killed: 'beforeSending' })
  assert.equal((await readThere()).length, 1)
  await deployUntil({ nth: 1, killed: 'beforeAnswer' })
  assert.equal((await readThere()).length, 2)
  const { exit, stderr, created } = await deploy()
  assert.equal(exit, 0, stderr)
  assert.equal(created.length, 1)
  assert.equal(await readNonce(), before + 3)
  await assertComplete()
})

test('deploy: killed while its transactions wait for a block, it waits for the same ones', async () => {
  const before = await readNonce()
  await ask('evm_setAutomine', false)
  let asked = 0
  let kill = () => {}
  gate = ({ method }, pass) => {
    // It has sent all three once it looks for the receipt of the third.
    if (method === 'eth_getTransactionReceipt' && ++asked === 3) kill()
    return pass()
  }
  assert.equal((await deploy({ onStart: (killScript) => (kill = killScript) })).exit, null)
  gate = (_request, pass) => pass()
  assert.deepEqual(await readThere(), [])
  await ask('evm_setAutomine', true)
  await ask('evm_mine')
  const { exit, stderr } = await deploy()
  assert.equal(exit, 0, stderr)
  assert.equal(await readNonce(), before + 3)
  await assertComplete()
})

test('deploy: somebody else is faster, before it looks or after, and it creates the rest', async () => {
  const contractOf = (name: string) => DEPLOYED_CONTRACTS.find((each) => each.name === name)!
  await deployRegistry(stranger, contractOf(coalitionRegistry!))
  const raced = contractOf(ticketVerifier!)
  let race: Promise<unknown> | undefined
  gate = async ({ method, params }, pass) => {
    // Ignition estimates with a nonce, and whoever looks what a deployment would cost, without.
    const asked = method === 'eth_estimateGas' ? JSON.stringify(params) : ''
    if (asked.includes(raced.initCode.slice(2)) && asked.includes('"nonce"')) race ??= deployRegistry(stranger, raced)
    await race
    return await pass()
  }
  const { exit, stderr, created } = await deploy()
  assert.equal(exit, 0, stderr)
  assert.notEqual(race, undefined)
  assert.deepEqual(created, [componentRegistry])
  await assertComplete()
})

test('deploy: sends nothing above the fee cap, goes on when fees have fallen, and creates again what a reorganisation took', async () => {
  const before = await readNonce()
  await ask('hardhat_setNextBlockBaseFeePerGas', `0x${(100_000_000_000).toString(16)}`)
  await ask('evm_mine')
  const refused = await deploy()
  assert.equal(refused.exit, 1)
  assert.match(refused.stderr, /DEPLOYMENT_STOPPED.*exceeds the configured limit/)
  assert.doesNotMatch(refused.stderr, /\n\s+at /)
  assert.equal(await readNonce(), before)
  await ask('hardhat_setNextBlockBaseFeePerGas', '0x1')
  await ask('evm_mine')
  assert.equal((await deploy()).created.length, 3)
  await ask('evm_revert', snapshot)
  snapshot = await ask('evm_snapshot')
  assert.deepEqual(await readThere(), [])
  const { exit, stderr, created } = await deploy()
  assert.equal(exit, 0, stderr)
  assert.equal(created.length, 3)
  await assertComplete()
})

test('deploy: refuses an account that cannot pay for all of it, before it sends anything', async () => {
  const key: Hex = `0x${'11'.repeat(32)}`
  const { exit, stderr } = await deploy({ key })
  assert.equal(exit, 1)
  assert.match(stderr, /OUT_OF_FUNDS: Account 0x[0-9a-f]{40} holds 0 wei/)
  assert.deepEqual(await readThere(), [])
})
