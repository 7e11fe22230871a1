import { parseArgs } from 'node:util'
import { createHardhatRuntimeEnvironment } from 'hardhat/hre'

/**
 * A private chain on loopback, gone when the process ends: `node scripts/local-chain.ts --port 8545`.
 *
 * Prints one line of JSON, `{ "rpcUrl", "chainId" }`, when it answers; closes on SIGTERM and SIGINT. Its accounts hold
 * test ether and their keys are public. Port 0, the default, takes any free one; --chain-id poses as another chain, to try a
 * deployment on.
 */
const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'chain-id': { type: 'string', default: '31337' } },
})
const chainId = Number(values['chain-id'])
// Without the plugins of hardhat.config.ts, which take a second to load and which a chain does not need.
const hre = await createHardhatRuntimeEnvironment({
  networks: { local: { type: 'edr-simulated', chainType: 'l1', chainId, hardfork: 'osaka' } },
})
const server = await hre.network.createServer('local', '127.0.0.1', Number(values.port))
const { port } = await server.listen()
process.stdout.write(`${JSON.stringify({ rpcUrl: `http://127.0.0.1:${port}`, chainId })}\n`)

const close = async (): Promise<void> => {
  await server.close()
  process.exit(0)
}
process.once('SIGTERM', close)
process.once('SIGINT', close)
