import { createServer } from 'node:net'
import { createHardhatRuntimeEnvironment } from 'hardhat/hre'
import { printError } from '../cli/output.ts'
import { PortTakenError } from '../workers/runtime/httpServer.ts'
import { readOptions, refuseUsage } from './readOptions.ts'

/** A private chain on loopback, gone when the process ends, on SIGTERM or SIGINT: `npm run local-chain`. */
const USAGE = `Usage: npm run local-chain -- [OPTION...]
  --port N      where it listens, on 127.0.0.1; 0 takes any free port (8545; without npm, 0)
  --chain-id N  poses as another chain, to try a deployment on (31337)
  --help        says this
Prints one line of JSON, { "rpcUrl", "chainId" }, when it answers. Its accounts hold test ether, and their keys are public.`

const HOST = '127.0.0.1'

const values = readOptions(
  { port: { type: 'string', default: '0' }, 'chain-id': { type: 'string', default: '31337' } },
  { usage: USAGE },
)
const port = toNumber(values.port, { name: 'port', min: 0, max: 65_535 })
const chainId = toNumber(values['chain-id'], { name: 'chain-id', min: 1, max: Number.MAX_SAFE_INTEGER })
try {
  await assertFree(port)
} catch (error) {
  process.exit(printError(error, { json: false }))
}

// Without the plugins of hardhat.config.ts, which take a second to load and which a chain does not need.
const hre = await createHardhatRuntimeEnvironment({
  networks: { local: { type: 'edr-simulated', chainType: 'l1', chainId, hardfork: 'osaka' } },
})
const server = await hre.network.createServer('local', HOST, port)
const listening = await server.listen()
process.stdout.write(`${JSON.stringify({ rpcUrl: `http://${HOST}:${listening.port}`, chainId })}\n`)

const close = async (): Promise<void> => {
  await server.close()
  process.exit(0)
}
process.once('SIGTERM', close)
process.once('SIGINT', close)

function toNumber(text: string, { name, min, max }: { name: string; min: number; max: number }): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  return refuseUsage(new Error(`--${name} takes a whole number from ${min} to ${max}`))
}

/** Hardhat's server throws where nobody can catch it. @throws {PortTakenError} */
function assertFree(wanted: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    const fix = 'Give --port another, or 0 for any free one; end what listens there if it is an older chain.'
    probe.once('error', (cause) => reject(new PortTakenError({ host: HOST, port: wanted, fix, cause })))
    probe.listen({ host: HOST, port: wanted }, () => probe.close(() => resolve()))
  })
}
