import { fileURLToPath } from 'node:url'
import hardhatToolboxViem from '@nomicfoundation/hardhat-toolbox-viem'
import { configVariable, defineConfig } from 'hardhat/config'

// The locked compiler, from its package: nothing is downloaded, and every machine gets the same bytecode.
const compiler = { version: '0.8.37', path: fileURLToPath(import.meta.resolve('solc/soljson.js')) }

const settings = {
  evmVersion: 'osaka',
  // The loops over signatures and proof nodes hold more locals than the other pipeline's stack.
  viaIR: true,
  optimizer: { enabled: true, runs: 1_000_000 },
  // No hash of the sources in the bytecode, so that a changed comment does not change the CREATE2 address. The compiler's
  // version stays: without it Hardhat shows no explorer the sources.
  metadata: { bytecodeHash: 'none' },
}

// No creation costs more than 200 gwei a gas: Ignition looks at this limit before it adds a tenth, at most four times.
const ignition = { maxFeePerGasLimit: 136_000_000_000n }

export default defineConfig({
  plugins: [hardhatToolboxViem],
  solidity: {
    profiles: {
      default: { ...compiler, settings },
      // What is deployed and what gas is measured on. All files at once; test/chain/addresses.test.ts sees it where one
      // shifts the bytecode, and so the address, of another.
      production: { ...compiler, isolated: false, settings },
    },
  },
  // Journals are in deployments/. One confirmation will do: what a reorganisation takes away, the next run creates again.
  ignition: { requiredConfirmations: 1, maxFeeBumps: 4 },
  paths: { ignition: '.', tests: { nodejs: './test/contracts', solidity: './test/contracts' } },
  networks: {
    default: { type: 'edr-simulated', chainType: 'l1', hardfork: 'osaka' },
    local: {
      type: 'http',
      chainType: 'l1',
      chainId: 31_337,
      url: 'http://127.0.0.1:8545',
      // Public: the first account of every Hardhat node.
      accounts: [
        configVariable('DEPLOYER_SECRET_KEY', {
          default: '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
        }),
      ],
      ignition,
    },
    sepolia: {
      type: 'http',
      chainType: 'l1',
      chainId: 11_155_111,
      url: configVariable('SEPOLIA_RPC_URL'),
      accounts: [configVariable('DEPLOYER_SECRET_KEY')],
      ignition,
    },
    hoodi: {
      type: 'http',
      chainType: 'l1',
      chainId: 560_048,
      url: configVariable('HOODI_RPC_URL'),
      accounts: [configVariable('DEPLOYER_SECRET_KEY')],
      ignition,
    },
  },
  verify: { etherscan: { apiKey: configVariable('ETHERSCAN_API_KEY') } },
})
