import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Abi, encodeFunctionData, numberToHex } from 'viem'
import {
  COALITION_REGISTRY_ADDRESS,
  COMPONENT_REGISTRY_ADDRESS,
  DEPLOYED_CONTRACTS,
  TICKET_VERIFIER_ADDRESS,
} from '../../chain/addresses.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { encodeAnchor } from '../../chain/encodeAnchor.ts'
import { coalitionRegistryAbi } from '../../chain/generated/coalitionRegistry.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import { ticketVerifierAbi } from '../../chain/generated/ticketVerifier.ts'
import { deriveRingWord, type Head } from '../../chain/head.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { hashLeaf, hashNode } from '../../protocol/log/treeHash.ts'
import { deriveContractAudience } from '../../protocol/tickets/audience.ts'
import { STATEMENT_SIZE_MAX_BYTES } from '../../protocol/wire/chronicleCommand.ts'
import { deriveDetails, quorumOf } from '../../protocol/wire/committee.ts'
import { encodeOperatorStatement } from '../../protocol/wire/operatorStatement.ts'
import { hashStateItem } from '../../protocol/wire/stateTree.ts'
import { encodeTicketIssued, hashTicket, toTicketStatusItem } from '../../protocol/wire/ticket.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { hashNext } from '../chain/createTestComponent.ts'
import { createTicket } from '../chain/createTestIssuer.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { digestOf } from '../chain/testLog.ts'
import { assertAllMeasured, assertPromise } from './gasPromises.ts'

/**
 * What each public function of the contracts and of the examples costs at the bounds of what it takes, as a whole
 * transaction: the figures of the NatSpec's `@custom:gas`. `node --test test/contracts/worstCaseGas.test.ts` says what they are where they are not.
 */
const MEMBER_COUNT = 256
const NODE_COUNT = 64
/** A log just below 2^64 leaves, so that a path takes as many siblings as it can. */
const LOG_SIZE = 2n ** 64n - 1n
const COMPONENT = digestOf('worst case')

const committee = createTestCommittee({ name: 'worst case', memberCount: MEMBER_COUNT })
const details = deriveDetails(committee.members)

let world: TestChain
before(async () => {
  world = await createTestChain()
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(world.sender, contract)
})

const gasOf = async (to: Hex, data: Hex): Promise<number> => {
  // As much as a transaction may bring, about: of an estimate, a beneficiary's code would get no more than it must have.
  const call = { from: world.sender.address, to, data, gas: numberToHex(16_000_000) }
  const hash = (await world.request('eth_sendTransaction', [call])) as Hex
  const receipt = await world.chain.client.getTransactionReceipt({ hash })
  assert.equal(receipt.status, 'success')
  return Number(receipt.gasUsed)
}

/** Puts a head into the ring as if it had been anchored: no log of such a size can be built. */
async function plant(head: Head, component: Hex = COMPONENT): Promise<void> {
  const base = BigInt(toHex(keccak256(packWords([component, 0]))))
  const slot: Hex = `0x${(base + (head.anchorIndex % 8n)).toString(16).padStart(64, '0')}`
  await world.request('hardhat_setStorageAt', [COMPONENT_REGISTRY_ADDRESS, slot, deriveRingWord(head)])
}

async function createHead(changes: Partial<Head> = {}): Promise<Head> {
  const timestampMs = await world.readTimeMs()
  return {
    committeeHash: committee.hash,
    epoch: 2n ** 64n - 2n,
    height: 2n ** 64n - 2n,
    logSize: LOG_SIZE,
    logRoot: digestOf('log root'),
    state: digestOf('state'),
    timestampMs,
    anchorIndex: 0x7bcdef12n * 8n,
    anchoredAt: timestampMs / 1000n,
    retired: false,
    ...changes,
  }
}

/** Nodes that lead from `from` to a root, and that root; the node at `level` stands left where `isLeft` says so. */
function climb(from: Uint8Array, isLeft: (level: number) => boolean): { proof: Uint8Array[]; root: Hex } {
  const proof = Array.from({ length: NODE_COUNT }, (_, level) => keccak256(packWords([level])))
  const root = proof.reduce(
    (node, sibling, level) => (isLeft(level) ? hashNode(sibling, node) : hashNode(node, sibling)),
    from,
  )
  return { proof, root: toHex(root) }
}

/** Where the sibling stands left on the path of the last leaf but one. */
const isLeftOfLast = (level: number): boolean => ((LOG_SIZE - 2n) >> BigInt(level)) % 2n === 1n

/** The same as `climb` for a state: pairs are hashed sorted. */
function climbState(from: Hex): { proof: Hex[]; root: Hex } {
  const proof = Array.from({ length: NODE_COUNT }, (_, level) => digestOf(`state node ${level}`))
  const root = proof.reduce((node, sibling) => {
    const pair = [node, sibling].sort()
    return toHex(keccak256(packWords(pair)))
  }, from)
  return { proof, root }
}

const encode = (abi: Abi, functionName: string, args: readonly unknown[]): Hex =>
  encodeFunctionData({ abi, functionName, args: [...args] })
const callRegistry = (functionName: string, args: readonly unknown[]): Promise<number> =>
  gasOf(COMPONENT_REGISTRY_ADDRESS, encode(componentRegistryAbi as Abi, functionName, args))

test('register: 256 members', async () => {
  const gas = await callRegistry('register', [digestOf('id'), { signers: committee.signers, details }])
  assertPromise('ComponentRegistry', 'register', gas)
})

test('anchor: 256 members who all sign, 64 nodes, a new ring position, and a reason of 256 bytes', async () => {
  // From 2^63 − 1 leaves, whose proof begins with a leaf and has a node for each of the 63 levels above.
  const oldSize = 2n ** 63n - 1n
  const newSize = 2n ** 64n - 1n
  const { nodes, oldRoot, newRoot } = climbBoth(oldSize, newSize)
  const previous = await createHead({ logSize: oldSize, logRoot: oldRoot, height: 2n ** 63n })
  await plant(previous)
  const next = { kind: 'retirement', successor: digestOf('successor'), reason: 'r'.repeat(256) } as const
  const height = 2n ** 64n - 1n
  const commit = {
    component: COMPONENT,
    epoch: previous.epoch,
    height,
    body: digestOf('body'),
    logSize: newSize,
    logRoot: newRoot,
    state: digestOf('state after'),
    timestampMs: previous.timestampMs,
    anchor: true,
    next: hashNext(next, { component: COMPONENT, epoch: previous.epoch, height }),
  }
  const everyone = committee.members.map((_, place) => place)
  const certificate = committee.certify(commit, { places: everyone, round: 2 ** 32 - 1 })
  const packed = encodeAnchor({
    previous,
    certified: { commit, certificate },
    members: committee.members,
    consistencyProof: nodes,
    next,
  })
  assertPromise('ComponentRegistry', 'anchor', await callRegistry('anchor', [packed]))
})

test('verifyCertificate: 256 members who all sign', async () => {
  const head = await createHead({ anchorIndex: 0x7bcdef13n * 8n })
  await plant(head)
  const commit = {
    component: COMPONENT,
    epoch: head.epoch,
    height: 2n ** 64n - 1n,
    body: digestOf('body'),
    logSize: LOG_SIZE,
    logRoot: digestOf('root'),
    state: digestOf('state'),
    timestampMs: head.timestampMs,
    anchor: true,
    next: digestOf('next'),
  }
  const places = committee.members.map((_, place) => place)
  const { round, signers, signatures } = committee.certify(commit, { places, round: 2 ** 32 - 1 })
  const args = [head, commit, { round, signers, signatures, absentees: [], details }]
  assertPromise('ComponentRegistry', 'verifyCertificate', await callRegistry('verifyCertificate', args))
  assert.equal(quorumOf(MEMBER_COUNT), 171)
})

test('verifyInclusion: a leaf of 65,535 bytes and 64 nodes', async () => {
  const leaf = new Uint8Array(65_535).fill(0xab)
  const { proof, root } = climb(hashLeaf(leaf), isLeftOfLast)
  const head = await createHead({ logRoot: root })
  await plant(head)
  const args = [COMPONENT, head, LOG_SIZE - 2n, toHex(leaf), proof.map(toHex)]
  assertPromise('ComponentRegistry', 'verifyInclusion', await callRegistry('verifyInclusion', args))
})

test('verifyStateItem: 64 nodes', async () => {
  const item = { typehash: digestOf('type'), key: digestOf('key'), value: digestOf('value') }
  const { proof, root } = climbState(hashStateItem(item))
  const head = await createHead({ state: root })
  // Apart from the one that was retired above.
  const component = digestOf('worst case state')
  await plant(head, component)
  const args = [component, head, item, proof, 2n ** 256n - 1n]
  assertPromise('ComponentRegistry', 'verifyStateItem', await callRegistry('verifyStateItem', args))
})

for (const functionName of ['isNewest', 'isInWindow'])
  test(`${functionName}: any head`, async () => {
    const head = await createHead()
    await plant(head)
    assertPromise('ComponentRegistry', functionName, await callRegistry(functionName, [COMPONENT, head]))
  })

for (const functionName of ['isRetired', 'retirementOf'])
  test(`${functionName}: any component`, async () =>
    assertPromise('ComponentRegistry', functionName, await callRegistry(functionName, [COMPONENT])))

test('ringWord: any position', async () =>
  assertPromise('ComponentRegistry', 'ringWord', await callRegistry('ringWord', [COMPONENT, 2n ** 256n - 1n])))

test('verifyTicket: 64 nodes in either proof', async () => {
  const audience = digestOf('audience')
  // A component that is not retired: nobody anchored under this key.
  const issuer = digestOf('worst case issuer')
  const { ticket, proof } = await issueTicket({ issuer, audience, subject: world.stranger.address })
  const args = [issuer, ticket, proof, audience, 2n ** 256n - 1n]
  const gas = await gasOf(TICKET_VERIFIER_ADDRESS, encode(ticketVerifierAbi as Abi, 'verifyTicket', args))
  assertPromise('TicketVerifier', 'verifyTicket', gas)
})

test('REGISTRY: it takes nothing', async () => {
  const gas = await gasOf(TICKET_VERIFIER_ADDRESS, encode(ticketVerifierAbi as Abi, 'REGISTRY', []))
  assertPromise('TicketVerifier', 'REGISTRY', gas)
})

test('publish: 122,880 bytes, none of them zero', async () => {
  const args = [digestOf('coalition'), digestOf('coalition id'), `0x${'ab'.repeat(122_880)}`]
  const gas = await gasOf(COALITION_REGISTRY_ADDRESS, encode(coalitionRegistryAbi as Abi, 'publish', args))
  assertPromise('CoalitionRegistry', 'publish', gas)
})

for (const functionName of ['latest', 'isPublished'])
  test(`${functionName}: any operator`, async () => {
    const args = [world.sender.address, digestOf('coalition')]
    const gas = await gasOf(COALITION_REGISTRY_ADDRESS, encode(coalitionRegistryAbi as Abi, functionName, args))
    assertPromise('CoalitionRegistry', functionName, gas)
  })

test('release: a statement of 65,312 bytes, 64 nodes, and a beneficiary that spends all it may', async () => {
  const statement = new Uint8Array(STATEMENT_SIZE_MAX_BYTES).fill(0xab)
  const submitter = digestOf('submitter').slice(0, 42) as Hex
  const [sequence, index] = [2n ** 64n - 1n, 2 ** 32 - 1]
  const leaf = encodeOperatorStatement({ submitter, sequence, index, statement })
  assert.equal(leaf.length, 65_504)
  const { proof, root } = climb(hashLeaf(leaf), isLeftOfLast)
  const head = await createHead({ logRoot: root })
  const chronicle = digestOf('worst case chronicle')
  await plant(head, chronicle)
  // JUMPDEST PUSH1 100 GAS GT PUSH0 JUMPI: it goes round until 100 gas are left, and takes the payment.
  const beneficiary: Hex = '0x0000000000000000000000000000000000005afe'
  await world.request('hardhat_setCode', [beneficiary, '0x5b60645a115f5700'])
  const args = [COMPONENT_REGISTRY_ADDRESS, chronicle, submitter, toHex(keccak256(statement)), beneficiary]
  const escrow = await deployExample('ChronicleEscrow', args, 10n ** 18n)
  const gas = await escrow.gasOf('release', [head, LOG_SIZE - 2n, sequence, index, toHex(statement), proof.map(toHex)])
  assertPromise('ChronicleEscrow', 'release', gas)
  await escrow.measureGetters(['REGISTRY', 'CHRONICLE', 'SUBMITTER', 'STATEMENT_HASH', 'BENEFICIARY', 'isReleased'])
})

test('takePrice: the first price, and 64 nodes', async () => {
  const price = 2n ** 256n - 1n
  const [oracle, feed] = [digestOf('worst case oracle'), digestOf('feed')]
  const typehash = deriveTypehash('Price(bytes32 feed,uint256 price)')
  const { proof, root } = climbState(hashStateItem({ typehash, key: feed, value: toHex(packWords([price])) }))
  const head = await createHead({ state: root })
  await plant(head, oracle)
  const consumer = await deployExample('OracleConsumer', [COMPONENT_REGISTRY_ADDRESS, oracle, feed, 2n ** 256n - 1n])
  assertPromise('OracleConsumer', 'takePrice', await consumer.gasOf('takePrice', [head, price, proof]))
  await consumer.measureGetters(['REGISTRY', 'ORACLE', 'FEED', 'MAX_AGE_MS', 'price', 'priceTimestampMs'])
})

test('enter: 64 nodes in either proof', async () => {
  const issuer = digestOf('worst case gate issuer')
  const gate = await deployExample('TicketGate', [TICKET_VERIFIER_ADDRESS, issuer, 2n ** 256n - 1n])
  const audience = deriveContractAudience({ chainId: BigInt(world.chain.chainId), address: gate.address })
  const { ticket, proof } = await issueTicket({ issuer, audience, subject: world.sender.address })
  assertPromise('TicketGate', 'enter', await gate.gasOf('enter', [ticket, proof]))
  assertPromise('TicketGate', 'isUsed', await gate.gasOf('isUsed', [hashTicket(ticket)]))
  await gate.measureGetters(['VERIFIER', 'ISSUER', 'MAX_AGE_MS', 'audience'])
})

test('no public function of the contracts and the examples is left out', () => assertAllMeasured())

/** A ticket with the longest proofs, under two heads of the issuer that are put into its ring. */
async function issueTicket({ issuer, audience, subject }: { issuer: Hex; audience: Hex; subject: Hex }) {
  const ticket = createTicket(await world.readTimeMs(), { subject, audience, notAfter: 2n ** 64n - 1n })
  const hash = hashTicket(ticket)
  const log = climb(hashLeaf(encodeTicketIssued(hash)), isLeftOfLast)
  const state = climbState(hashStateItem(toTicketStatusItem(hash, 'valid')))
  const newest = await createHead({ state: state.root, anchorIndex: 0x7bcdef12n * 8n + 1n })
  const issuedUnder = await createHead({ logRoot: log.root })
  await plant(issuedUnder, issuer)
  await plant(newest, issuer)
  const proof = {
    issuedUnder,
    leafIndex: LOG_SIZE - 2n,
    inclusionProof: log.proof.map(toHex),
    newest,
    statusProof: state.proof,
  }
  return { ticket, proof }
}

/** Puts an example on the chain, to be measured. */
async function deployExample(contract: string, args: readonly unknown[], valueWei = 0n) {
  const { address, abi } = await world.deploy(`contracts/examples/${contract}.sol`, { args, valueWei })
  const measure = (functionName: string, values: readonly unknown[]) =>
    gasOf(address, encode(abi, functionName, values))
  return {
    address,
    gasOf: measure,
    async measureGetters(names: readonly string[]): Promise<void> {
      for (const name of names) assertPromise(contract, name, await measure(name, []))
    },
  }
}

/**
 * A proof of the greatest length between two sizes, and the roots that it leads to: made up from the first node on, since
 * nobody can hold such a log.
 */
function climbBoth(oldSize: bigint, newSize: bigint): { nodes: Uint8Array[]; oldRoot: Hex; newRoot: Hex } {
  const node = (index: number): Uint8Array => keccak256(packWords([index]))
  const nodes = [node(0)]
  let [fn, sn] = [oldSize - 1n, newSize - 1n]
  let oldNode = nodes[0]!
  let newNode = nodes[0]!
  const take = (): Uint8Array => {
    nodes.push(node(nodes.length))
    return nodes.at(-1)!
  }
  for (; fn !== sn; fn >>= 1n, sn >>= 1n) {
    const sibling = take()
    if (fn % 2n === 1n) oldNode = hashNode(sibling, oldNode)
    newNode = fn % 2n === 1n ? hashNode(sibling, newNode) : hashNode(newNode, sibling)
  }
  for (; fn !== 0n; fn &= fn - 1n) {
    const sibling = take()
    oldNode = hashNode(sibling, oldNode)
    newNode = hashNode(sibling, newNode)
  }
  return { nodes, oldRoot: toHex(oldNode), newRoot: toHex(newNode) }
}
