import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getCreateAddress, recoverTransactionAddress, type TransactionSerializedLegacy } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS, CREATE2_PROXY_ADDRESS } from '../../chain/addresses.ts'
import { deployRegistry, hasCode, PROXY_CREATOR, PROXY_TRANSACTION } from '../../chain/deployRegistry.ts'
import { chronicleEscrowAbi, chronicleEscrowBytecode } from '../../chain/generated/chronicleEscrow.ts'
import { coalitionRegistryAbi, coalitionRegistryBytecode } from '../../chain/generated/coalitionRegistry.ts'
import { componentRegistryAbi, componentRegistryBytecode } from '../../chain/generated/componentRegistry.ts'
import { oracleConsumerAbi, oracleConsumerBytecode } from '../../chain/generated/oracleConsumer.ts'
import { ticketGateAbi, ticketGateBytecode } from '../../chain/generated/ticketGate.ts'
import { ticketVerifierAbi, ticketVerifierBytecode } from '../../chain/generated/ticketVerifier.ts'
import { createTestChain, readArtifact } from './createTestChain.ts'

test('deployRegistry: puts the registry at the one address that follows from its code', async () => {
  const { chain, sender } = await createTestChain()
  assert.equal(await hasCode(chain, CREATE2_PROXY_ADDRESS), false)
  const { address, txHash } = await deployRegistry(sender)
  assert.equal(address, COMPONENT_REGISTRY_ADDRESS)
  assert.match(String(txHash), /^0x[0-9a-f]{64}$/)
  const { deployedBytecode } = readArtifact('contracts/ComponentRegistry.sol')
  assert.equal(await chain.client.getCode({ address }), deployedBytecode)
})

test('deployRegistry: a second run, by anyone, finds it there and sends nothing', async () => {
  const { chain, sender, stranger } = await createTestChain()
  await deployRegistry(sender)
  const before = await chain.client.getBlockNumber()
  assert.deepEqual(await deployRegistry(stranger), { address: COMPONENT_REGISTRY_ADDRESS })
  assert.equal(await chain.client.getBlockNumber(), before)
})

test('the proxy’s creation belongs to nobody’s key, and makes the well-known address', async () => {
  const creator = await recoverTransactionAddress({
    serializedTransaction: PROXY_TRANSACTION as TransactionSerializedLegacy,
  })
  assert.equal(creator.toLowerCase(), PROXY_CREATOR)
  assert.equal(getCreateAddress({ from: creator, nonce: 0n }).toLowerCase(), CREATE2_PROXY_ADDRESS)
})

test('chain/generated is what the contracts compile to', () => {
  for (const [source, abi, bytecode] of [
    ['contracts/ComponentRegistry.sol', componentRegistryAbi, componentRegistryBytecode],
    ['contracts/TicketVerifier.sol', ticketVerifierAbi, ticketVerifierBytecode],
    ['contracts/CoalitionRegistry.sol', coalitionRegistryAbi, coalitionRegistryBytecode],
    ['contracts/examples/ChronicleEscrow.sol', chronicleEscrowAbi, chronicleEscrowBytecode],
    ['contracts/examples/TicketGate.sol', ticketGateAbi, ticketGateBytecode],
    ['contracts/examples/OracleConsumer.sol', oracleConsumerAbi, oracleConsumerBytecode],
  ] as const) {
    const artifact = readArtifact(source)
    assert.equal(bytecode, artifact.bytecode)
    assert.deepEqual(JSON.parse(JSON.stringify(abi)), withoutInternalTypes(artifact.abi))
  }
})

const withoutInternalTypes = (abi: unknown): unknown =>
  JSON.parse(JSON.stringify(abi, (key, value: unknown) => (key === 'internalType' ? undefined : value)))
