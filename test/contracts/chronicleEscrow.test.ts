import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import {
  decodeErrorResult,
  encodeAbiParameters,
  encodeFunctionData,
  keccak256,
  numberToHex,
  parseAbiParameters,
  parseEventLogs,
  toBytes,
} from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { findRevertData } from '../../chain/connectChain.ts'
import { chronicleEscrowAbi as abi } from '../../chain/generated/chronicleEscrow.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import type { Head } from '../../chain/head.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { proveInclusionInList } from '../../protocol/log/listProof.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { STATEMENT_SIZE_MAX_BYTES } from '../../protocol/wire/chronicleCommand.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { deriveRoot } from '../chain/testLog.ts'

const SUBMITTER: Hex = '0x00000000000000000000000000000000005ab317'
const BENEFICIARY: Hex = '0x00000000000000000000000000000000000bee5f'
const STATEMENT = toHex(toBytes('{"delivered":"block 7"}'))
const AMOUNT_WEI = 10n ** 18n
const LEAF_INDEX = 2n

/** The Chronicle's leaf for an operator statement (spec §4, §10). */
const encodeLeaf = (submitter: Hex, sequence: bigint, index: number, statement: Hex): Uint8Array =>
  fromHex(
    encodeAbiParameters(parseAbiParameters('bytes32, address, uint64, uint32, bytes'), [
      keccak256(toBytes('OperatorStatement(address submitter,uint64 sequence,uint32 index,bytes statement)')),
      submitter,
      sequence,
      index,
      statement,
    ]),
  )

const leaves = [
  encodeLeaf(SUBMITTER, 1n, 0, '0x6f74686572'),
  encodeLeaf(BENEFICIARY, 1n, 0, STATEMENT),
  encodeLeaf(SUBMITTER, 2n, 3, STATEMENT),
]
const hashes = leaves.map(hashLeaf)
const proof = proveInclusionInList(hashes, Number(LEAF_INDEX)).map(toHex)

let world: TestChain
let chronicle: TestComponent
let head: Head
before(async () => {
  world = await createTestChain()
  chronicle = await createTestComponent(world, { name: 'chronicle' })
  head = await chronicle.anchor({ leafCount: leaves.length, commit: { logRoot: deriveRoot(hashes) } })
})

const deploy = async (beneficiary: Hex = BENEFICIARY): Promise<Hex> => {
  const args = [COMPONENT_REGISTRY_ADDRESS, chronicle.key, SUBMITTER, keccak256(STATEMENT), beneficiary]
  return (await world.deploy('contracts/examples/ChronicleEscrow.sol', { args, valueWei: AMOUNT_WEI })).address
}

type Claim = { leafIndex?: bigint; sequence?: bigint; index?: number; statement?: Hex; proof?: Hex[]; head?: Head }
async function release(address: Hex, claim: Claim = {}): Promise<string> {
  const { leafIndex = LEAF_INDEX, sequence = 2n, index = 3, statement = STATEMENT } = claim
  const args = [claim.head ?? head, leafIndex, sequence, index, statement, claim.proof ?? proof] as const
  try {
    const data = encodeFunctionData({ abi, functionName: 'release', args })
    return (await world.stranger.send({ to: address, data })).status
  } catch (error) {
    const data = findRevertData(error)
    assert.ok(data, String(error))
    return decodeErrorResult({ abi: [...abi, ...componentRegistryAbi], data }).errorName
  }
}

const balanceOf = (address: Hex): Promise<bigint> => world.chain.client.getBalance({ address })

test('ChronicleEscrow: pays on proof of the agreed entry, once', async () => {
  const escrow = await deploy()
  const beforeWei = await balanceOf(BENEFICIARY)
  assert.equal(await release(escrow), 'success')
  assert.equal(await balanceOf(BENEFICIARY), beforeWei + AMOUNT_WEI)
  assert.equal(await balanceOf(escrow), 0n)
  assert.equal(await release(escrow), 'ChronicleEscrowReleased')
})

test('ChronicleEscrow: says which leaf released how much', async () => {
  const escrow = await deploy()
  const args = [head, LEAF_INDEX, 2n, 3, STATEMENT, proof] as const
  const data = encodeFunctionData({ abi, functionName: 'release', args })
  const { logs } = await world.stranger.send({ to: escrow, data })
  const [event, ...others] = parseEventLogs({ abi, logs })
  assert.deepEqual(event?.args, { leafIndex: LEAF_INDEX, amountWei: AMOUNT_WEI })
  assert.deepEqual([event?.eventName, event?.address, others], ['Released', escrow, []])
})

test('ChronicleEscrow: refuses another statement, even one that stands in the log', async () => {
  const escrow = await deploy()
  assert.equal(await release(escrow, { statement: '0x6f74686572', leafIndex: 0n }), 'ChronicleEscrowOtherStatement')
})

test('ChronicleEscrow: refuses the statement where it stands in another submitter’s name', async () => {
  const escrow = await deploy()
  const elsewhere = proveInclusionInList(hashes, 1).map(toHex)
  assert.equal(
    await release(escrow, { leafIndex: 1n, sequence: 1n, index: 0, proof: elsewhere }),
    'Rfc9162RootMismatch',
  )
})

test('ChronicleEscrow: refuses a forged place, proof and head, and keeps the payment', async () => {
  const escrow = await deploy()
  assert.equal(await release(escrow, { sequence: 3n }), 'Rfc9162RootMismatch')
  assert.equal(await release(escrow, { index: 4 }), 'Rfc9162RootMismatch')
  assert.equal(await release(escrow, { proof: [] }), 'Rfc9162ProofLengthWrong')
  assert.equal(await release(escrow, { head: { ...head, logSize: 4n } }), 'ComponentRegistryNotInWindow')
  assert.equal(await balanceOf(escrow), AMOUNT_WEI)
})

test('ChronicleEscrowArgumentTooLong: a statement that no Chronicle takes, and 65 nodes; what is allowed is looked at', async () => {
  const escrow = await deploy()
  const statementOf = (sizeBytes: number): Hex => `0x${'ab'.repeat(sizeBytes)}`
  const longest = statementOf(STATEMENT_SIZE_MAX_BYTES)
  assert.equal(
    await release(escrow, { statement: statementOf(STATEMENT_SIZE_MAX_BYTES + 1) }),
    'ChronicleEscrowArgumentTooLong',
  )
  assert.equal(await release(escrow, { statement: longest }), 'ChronicleEscrowOtherStatement')
  const nodes = Array.from({ length: 65 }, () => toHex(hashes[0]!))
  assert.equal(await release(escrow, { proof: nodes }), 'ChronicleEscrowArgumentTooLong')
  assert.equal(await release(escrow, { proof: nodes.slice(1) }), 'Rfc9162ProofLengthWrong')
})

test('ChronicleEscrow: a beneficiary’s code gets 50,000 gas and the payment’s own 2,300, and no more however much is sent', async () => {
  // GAS PUSH0 SSTORE: it writes down what it has left once the first instruction has taken its 2.
  const wallet: Hex = '0x0000000000000000000000000000000000005afe'
  await world.request('hardhat_setCode', [wallet, '0x5a5f5500'])
  const data = encodeFunctionData({ abi, functionName: 'release', args: [head, LEAF_INDEX, 2n, 3, STATEMENT, proof] })
  const call = { from: world.stranger.address, to: await deploy(wallet), data, gas: numberToHex(1_000_000) }
  await world.request('eth_sendTransaction', [call])
  const left = await world.chain.client.getStorageAt({ address: wallet, slot: '0x0' })
  assert.equal(BigInt(left ?? 0), 50_000n + 2_300n - 2n)
  // JUMPDEST PUSH0 JUMP: it spends all that it is given.
  await world.request('hardhat_setCode', [wallet, '0x5b5f56'])
  assert.equal(await release(await deploy(wallet)), 'ChronicleEscrowPaymentRefused')
})

test('ChronicleEscrow: a beneficiary that refuses the payment can be tried again', async () => {
  const escrow = await deploy(COMPONENT_REGISTRY_ADDRESS)
  assert.equal(await release(escrow), 'ChronicleEscrowPaymentRefused')
  assert.equal(await balanceOf(escrow), AMOUNT_WEI)
})
