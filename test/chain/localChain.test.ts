import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { connectChain } from '../../chain/connectChain.ts'

const ROOT = join(import.meta.dirname, '../..')

let node: ChildProcess
let announced: { rpcUrl: string; chainId: number }
before(async () => {
  node = spawn(process.execPath, ['scripts/local-chain.ts'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await new Promise<string[]>((resolve) => {
    node.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString().split('\n')))
  })
  announced = JSON.parse(line!) as typeof announced
})
after(() => void node.kill('SIGKILL'))

type Deployed = { address: string; isDryRun: boolean; contracts: { name: string; isCreated: boolean }[] }

const deploy = (): Deployed => {
  const args = ['scripts/deploy.ts', '--rpc', announced.rpcUrl]
  const { stdout, status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as Deployed
}

test('local-chain: announces an endpoint on loopback that serves the chain it says', async () => {
  assert.match(announced.rpcUrl, /^http:\/\/127\.0\.0\.1:\d+$/)
  assert.equal((await connectChain(announced)).chainId, 31_337)
})

test('local-chain: where something listens already it says so and ends', () => {
  const args = ['scripts/local-chain.ts', '--port', new URL(announced.rpcUrl).port]
  const { stdout, status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  assert.match(stderr, /^coalition: PORT_TAKEN: /)
  assert.deepEqual({ stdout, status }, { stdout: '', status: 2 })
})

test('deploy: puts every registry at its address, and a second run finds them there', () => {
  const first = deploy()
  assert.equal(first.address, COMPONENT_REGISTRY_ADDRESS)
  assert.equal(first.isDryRun, false)
  assert.deepEqual(
    first.contracts.map(({ name }) => name),
    ['ComponentRegistry', 'TicketVerifier', 'CoalitionRegistry'],
  )
  for (const { isCreated } of first.contracts) assert.equal(isCreated, true)
  for (const { isCreated } of deploy().contracts) assert.equal(isCreated, false)
  assert.equal(existsSync(join(ROOT, 'deployments/local')), false)
})

test('local-chain: ends by itself on SIGTERM', async () => {
  const ended = new Promise((resolve) => node.once('exit', (status) => resolve(status)))
  node.kill('SIGTERM')
  assert.equal(await ended, 0)
})
