import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'
import { connectChain } from '../../chain/connectChain.ts'
import { createSender } from '../../chain/createSender.ts'
import { deployRegistry, ensureProxy } from '../../chain/deployRegistry.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { type Service, startChain } from '../../scripts/services.ts'
import { type ExplorerStandIn, startExplorerStandIn } from './explorerStandIn.ts'

/** Sources shown to a stand-in for the explorers, of contracts on a local node that poses as Sepolia. */
const ROOT = join(import.meta.dirname, '../..')
const CHAIN_ID = 11_155_111
// Public: the first account of every Hardhat node.
const SECRET_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const ADDRESSES = DEPLOYED_CONTRACTS.map(({ address }) => address)

let node: Service
let explorer: ExplorerStandIn
let setCode: (address: string, code: string) => Promise<unknown>

before(async () => {
  node = await startChain({ isPrivate: true, chainId: CHAIN_ID })
  const chain = await connectChain({ rpcUrl: node.url, chainId: CHAIN_ID })
  const deployer = createSender(chain, { secretKey: fromHex(SECRET_KEY) })
  await ensureProxy(deployer)
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(deployer, contract)
  explorer = await startExplorerStandIn(chain)
  setCode = (address, code) => chain.client.request({ method: 'hardhat_setCode', params: [address, code] } as never)
})
after(async () => {
  await node.stop()
  explorer.close()
})

async function verifySources(words: readonly string[], env: Record<string, string> = {}) {
  const { ETHERSCAN_API_KEY: _key, ...inherited } = process.env
  const child = spawn(process.execPath, ['scripts/verify-sources.ts', '--network', 'sepolia', ...words], {
    cwd: ROOT,
    env: { ...inherited, SEPOLIA_RPC_URL: node.url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, exit] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  return { stdout, stderr, exit }
}

for (const [name, env] of [
  ['etherscan', { ETHERSCAN_API_KEY: 'of a test' }],
  ['sourcify', {}],
] as const) {
  test(`verify-sources: what is shown to ${name} compiles, alone, to what is deployed`, async () => {
    const from = explorer.submissions.length
    const { exit, stdout, stderr } = await verifySources(['--explorer', name, '--api', explorer.url], env)
    assert.equal(exit, 0, stderr)
    const submitted = explorer.submissions.slice(from)
    // One submission each: none was tried again with more sources.
    assert.deepEqual(
      submitted.map(({ address, isMatch }) => [address, isMatch]),
      ADDRESSES.map((address) => [address, true]),
    )
    assert.equal(stdout.match(/Contract verified successfully/g)?.length, 3)
  })
}

test('verify-sources: an explorer that knows a contract is shown the others', async () => {
  explorer.know(ADDRESSES[0]!)
  const from = explorer.submissions.length
  const { exit, stdout } = await verifySources(['--explorer', 'sourcify', '--api', explorer.url])
  assert.equal(exit, 0)
  assert.match(stdout, /has already been verified/)
  assert.deepEqual(
    explorer.submissions.slice(from).map(({ address }) => address),
    ADDRESSES.slice(1),
  )
})

test('verify-sources: ends with 1 where other code stands at an address, where there is no key, and where nobody answers', async () => {
  const [first, second] = ADDRESSES
  await setCode(second!, '0x600160015500')
  const other = await verifySources(['--explorer', 'sourcify', '--api', explorer.url])
  assert.equal(other.exit, 1)
  assert.match(other.stderr, /sourcify: TicketVerifier is not confirmed/)
  assert.doesNotMatch(other.stderr, /\n\s+at /)
  assert.equal(explorer.submissions.at(-1)!.isMatch, true, 'the contract after it is shown all the same')
  const keyless = await verifySources(['--explorer', 'etherscan', '--api', explorer.url])
  assert.deepEqual([keyless.exit, keyless.stderr.includes('ETHERSCAN_API_KEY is not set')], [1, true])
  const nobody = await verifySources(['--explorer', 'sourcify', '--api', 'http://127.0.0.1:1'])
  assert.equal(nobody.exit, 1)
  assert.match(nobody.stderr, /ComponentRegistry is not confirmed/)
  assert.notEqual(first, undefined)
})

test('UNKNOWN_EXPLORER: an explorer that Hardhat does not know, and an API that belongs to none', async () => {
  for (const words of [
    ['--explorer', 'nobody'],
    ['--api', explorer.url],
  ]) {
    const { exit, stderr } = await verifySources(words)
    assert.equal(exit, 2)
    assert.match(stderr, /UNKNOWN_EXPLORER/)
  }
})
