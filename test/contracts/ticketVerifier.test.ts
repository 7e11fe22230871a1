import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { decodeErrorResult, encodeAbiParameters, encodeFunctionData, getCreateAddress, keccak256 } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS, TICKET_VERIFIER_ADDRESS } from '../../chain/addresses.ts'
import { findRevertData } from '../../chain/connectChain.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import { ticketGateAbi } from '../../chain/generated/ticketGate.ts'
import type { Head } from '../../chain/head.ts'
import { RegistryRefusedError } from '../../chain/registryRefusal.ts'
import { openTicketVerifier, type TicketProof, type TicketVerifier } from '../../chain/ticketVerifier.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { hashTicket, type Ticket } from '../../protocol/wire/ticket.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestIssuer, createTicket, type TestIssuer } from '../chain/createTestIssuer.ts'
import { createRandom } from '../chain/random.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { digestOf } from '../chain/testLog.ts'
import { assertRefused } from './refusals.ts'

const AUDIENCE = digestOf('audience')
const MAX_AGE_MS = 3_600_000n

let world: TestChain
let verifier: TicketVerifier
let issuer: TestIssuer
before(async () => {
  world = await createTestChain()
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(world.sender, contract)
  verifier = await openTicketVerifier(world.chain, { address: TICKET_VERIFIER_ADDRESS })
  issuer = await createIssuer('issuer')
})

async function createIssuer(name: string, audience: Hex = AUDIENCE): Promise<TestIssuer> {
  const nowMs = await world.readTimeMs()
  const subjects = [world.stranger.address, world.sender.address, ...['0x01', '0x02', '0x03'].map(toAddress)]
  const tickets = subjects.map((subject) => createTicket(nowMs, { subject, audience }))
  const created = await createTestIssuer(world, { name, tickets })
  await created.anchor()
  return created
}
const toAddress = (hex: string): Hex => `0x${hex.slice(2).padStart(40, '0')}`

type Changes = {
  issuer?: Hex
  ticket?: Partial<Ticket>
  proof?: Partial<TicketProof>
  audience?: Hex
  maxAgeMs?: bigint
}
const verify = (index: number, changes: Changes = {}, from: TestIssuer = issuer): Promise<Hex> =>
  verifier.verifyTicket({
    issuer: changes.issuer ?? from.component.key,
    ticket: { ...from.tickets[index]!, ...changes.ticket },
    proof: { ...from.prove(index), ...changes.proof },
    audience: changes.audience ?? AUDIENCE,
    maxAgeMs: changes.maxAgeMs ?? MAX_AGE_MS,
  })

test('verifyTicket: every issued ticket, and its hash is that of protocol/wire', async () => {
  for (const [index, ticket] of issuer.tickets.entries()) assert.equal(await verify(index), hashTicket(ticket))
})

test('verifyTicket: the registry that it relies on is the one whose address follows from its code', async () =>
  assert.equal(await verifier.readRegistry(), COMPONENT_REGISTRY_ADDRESS))

test('verifyTicket: an issuance under an older head of the window, with the newest head’s status', async () => {
  const older = issuer.prove(2)
  await issuer.anchor()
  const { issuedUnder, inclusionProof } = older
  await verify(2, { proof: { issuedUnder, inclusionProof } })
})

test('TicketVerifierOtherAudience: a ticket for somebody else', () =>
  assertRefused(() => verify(0, { audience: digestOf('somebody else') }), 'TicketVerifierOtherAudience'))

test('TicketVerifierNotYetValid and TicketVerifierExpired: a second before the window and a second after', async () => {
  const time = (await world.readTimeMs()) / 1000n + 1_000n
  const windows = {
    first: [time, time + 9n],
    last: [time - 9n, time],
    early: [time + 1n, time + 9n],
    late: [0n, time - 1n],
  }
  const tickets = Object.entries(windows).map(([name, [notBefore, notAfter]]) =>
    createTicket(0n, {
      subject: world.stranger.address,
      audience: AUDIENCE,
      ticketId: digestOf(name),
      notBefore: notBefore!,
      notAfter: notAfter!,
    }),
  )
  const windowed = await createTestIssuer(world, { name: 'windows', tickets })
  // A call sees the time of the newest block, which the anchor makes.
  await world.request('evm_setNextBlockTimestamp', [Number(time)])
  await windowed.anchor()
  await verify(0, {}, windowed)
  await verify(1, {}, windowed)
  await assertRefused(() => verify(2, {}, windowed), 'TicketVerifierNotYetValid')
  await assertRefused(() => verify(3, {}, windowed), 'TicketVerifierExpired')
})

for (const field of ['ticketId', 'subject', 'salt', 'notBefore', 'notAfter'] as const)
  test(`T2 onlyIssuedIsAccepted: refuses a ticket with another ${field}`, async () => {
    const { [field]: value } = issuer.tickets[0]!
    const other = typeof value === 'bigint' ? value + 1n : (`${value.slice(0, -2)}ff` as Hex)
    await assertRefused(() => verify(0, { ticket: { [field]: other } }), 'Rfc9162RootMismatch')
  })

test('T2 onlyIssuedIsAccepted: refuses another place, another issuer and a head that never was', async () => {
  await assertRefused(() => verify(0, { proof: { leafIndex: 1n } }), 'Rfc9162RootMismatch')
  const other = await createIssuer('another issuer')
  await assertRefused(() => verify(0, { issuer: other.component.key }), 'ComponentRegistryNotInWindow')
  const forged: Head = { ...issuer.component.head, logRoot: digestOf('forged') }
  await assertRefused(() => verify(0, { proof: { issuedUnder: forged } }), 'ComponentRegistryNotInWindow')
  await assertRefused(() => verify(0, { proof: { newest: forged } }), 'ComponentRegistryNotNewest')
})

test('T1 revokedIsRefused: a revoked ticket is refused under every head, over random revocations', async () => {
  const random = createRandom()
  const context = `replay with SEED=${random.seed}`
  const revoking = await createIssuer(`revoking ${random.seed}`)
  const revoked = new Set<number>()
  const proofs: TicketProof[][] = [revoking.tickets.map((_, index) => revoking.prove(index))]
  for (let step = 0; step < 12; step++) {
    const index = random.below(revoking.tickets.length)
    revoked.add(index)
    revoking.revoke(index)
    await revoking.anchor()
    proofs.push(revoking.tickets.map((_, each) => revoking.prove(each)))
    for (const each of revoking.tickets.keys()) {
      if (!revoked.has(each)) {
        await verify(each, {}, revoking)
        continue
      }
      // Every proof that anyone ever had of it, under whichever head.
      for (const known of proofs) {
        const refused = await verify(each, { proof: known[each]! }, revoking).then(
          () => undefined,
          (error: unknown) => error,
        )
        assert.ok(refused instanceof RegistryRefusedError && refused.errorName !== undefined, context)
      }
    }
  }
})

test('ComponentRegistryHeadTooOld: the issuer is silent for longer than the caller accepts', async () => {
  await world.request('evm_increaseTime', [120])
  await world.request('evm_mine')
  await verify(1)
  await assertRefused(() => verify(1, { maxAgeMs: 100_000n }), 'ComponentRegistryHeadTooOld')
})

test('verifyTicket: a ticket of before the issuer’s rotation, under heads of both epochs, and what the new committee says of it', async () => {
  const rotated = await createIssuer('rotated issuer')
  const { issuedUnder, inclusionProof } = rotated.prove(0)
  const next = createTestCommittee({ name: 'rotated issuer 2', memberCount: 7 })
  await rotated.anchor({ next: { kind: 'rotation', newCommitteeHash: next.hash } })
  await verify(0, {}, rotated)
  rotated.component.committee = next
  await rotated.anchor()
  const { newest } = rotated.prove(0)
  assert.deepEqual([issuedUnder.epoch, newest.epoch], [0n, 1n])
  await verify(0, {}, rotated)
  await verify(0, { proof: { issuedUnder, inclusionProof } }, rotated)
  // The old committee's last word on who is revoked counts no more.
  const statusOfOld = { newest: issuedUnder, statusProof: rotated.prove(0).statusProof }
  await assertRefused(() => verify(0, { proof: statusOfOld }, rotated), 'ComponentRegistryNotNewest')
  rotated.revoke(0)
  await rotated.anchor()
  await assertRefused(() => verify(0, {}, rotated), 'ComponentRegistryItemNotInState')
  await verify(1, {}, rotated)
})

test('TicketVerifierIssuerRetired: a retired issuer’s tickets are not honoured', async () => {
  const retired = await createIssuer('retired issuer')
  await verify(0, {}, retired)
  await retired.component.anchor({
    next: { kind: 'retirement', successor: digestOf('successor'), reason: 'moved' },
  })
  await assertRefused(() => verify(0, {}, retired), 'TicketVerifierIssuerRetired')
})

test('TicketVerifierProofTooLong: 65 nodes in either proof; 64 only lead elsewhere', async () => {
  const nodes = Array.from({ length: 65 }, () => new Uint8Array(32))
  await assertRefused(() => verify(0, { proof: { inclusionProof: nodes } }), 'TicketVerifierProofTooLong')
  await assertRefused(() => verify(0, { proof: { statusProof: nodes.map(toHex) } }), 'TicketVerifierProofTooLong')
  const fewer = nodes.slice(1)
  await assertRefused(() => verify(0, { proof: { inclusionProof: fewer } }), 'Rfc9162ProofLengthWrong')
  await assertRefused(() => verify(0, { proof: { statusProof: fewer.map(toHex) } }), 'ComponentRegistryItemNotInState')
})

test('TicketGate: admits the holder of a ticket, once, and nobody else, and takes no proof of 65 nodes', async () => {
  // The gate's address is part of the audience, and the issuer's key part of the gate: so the address comes first.
  const nonce = await world.chain.client.getTransactionCount({ address: world.sender.address })
  const nowMs = await world.readTimeMs()
  // Registering and anchoring the issuer take two transactions of the sender's before the gate is created.
  const gateAddress = getCreateAddress({ from: world.sender.address, nonce: BigInt(nonce + 2) }).toLowerCase() as Hex
  const audience = keccak256(
    encodeAbiParameters([{ type: 'uint256' }, { type: 'address' }], [BigInt(world.chain.chainId), gateAddress]),
  )
  const tickets = [createTicket(nowMs, { subject: world.stranger.address, audience })]
  const gateIssuer = await createTestIssuer(world, { name: 'gate issuer', tickets })
  await gateIssuer.anchor()
  const gate = await world.deploy('contracts/examples/TicketGate.sol', {
    args: [TICKET_VERIFIER_ADDRESS, gateIssuer.component.key, MAX_AGE_MS],
  })
  assert.equal(gate.address, gateAddress)
  const proof = gateIssuer.prove(0)
  const given = { ...proof, inclusionProof: proof.inclusionProof.map(toHex) }
  const enterAs = (sender: TestChain['sender'], changes: Partial<typeof given> = {}) => {
    const args = [tickets[0]!, { ...given, ...changes }] as const
    const data = encodeFunctionData({ abi: ticketGateAbi, functionName: 'enter', args })
    return callGate(() => sender.send({ to: gate.address, data }).then(({ status }) => status))
  }
  assert.equal(await enterAs(world.sender), 'TicketGateOtherSubject')
  const nodes = Array.from({ length: 65 }, () => digestOf('node'))
  assert.equal(await enterAs(world.stranger, { inclusionProof: nodes }), 'TicketGateProofTooLong')
  assert.equal(await enterAs(world.stranger, { statusProof: nodes }), 'TicketGateProofTooLong')
  // 64 are handed on, and only lead elsewhere.
  const fewer = nodes.slice(1)
  assert.equal(await enterAs(world.stranger, { inclusionProof: fewer }), 'Rfc9162ProofLengthWrong')
  assert.equal(await enterAs(world.stranger, { statusProof: fewer }), 'ComponentRegistryItemNotInState')
  assert.equal(await enterAs(world.stranger), 'success')
  assert.equal(await enterAs(world.stranger), 'TicketGateUsed')
})

/** What a call came to: its status, or the name of the error that it was refused with, be it the gate's or the registry's. */
async function callGate(run: () => Promise<string>): Promise<string> {
  try {
    return await run()
  } catch (error) {
    const data = findRevertData(error)
    if (data === undefined) throw error
    return decodeErrorResult({ abi: [...ticketGateAbi, ...componentRegistryAbi], data }).errorName
  }
}
