import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS, TICKET_VERIFIER_ADDRESS } from '../../chain/addresses.ts'
import { type ComponentRegistry, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { Next } from '../../chain/encodeAnchor.ts'
import { openTicketVerifier } from '../../chain/ticketVerifier.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { resolveComponent } from '../../client/readComponent.ts'
import { createTicketsHandle, type TicketsHandle } from '../../client/ticketsHandle.ts'
import { signJws } from '../../protocol/tickets/jwsSignature.ts'
import { encodeTicketPayload } from '../../protocol/tickets/ticketToken.ts'
import { deriveCommitteeHash, type Member } from '../../protocol/wire/committee.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { hashTicket, type Ticket } from '../../protocol/wire/ticket.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import {
  audience,
  coalition,
  component,
  componentId,
  createTestTicket,
  members as first,
  holder,
  issueOf,
  keys,
  revokeOf,
  serveTickets,
  signersOf,
  startIssuer,
  ticketsRoot,
} from '../workers/member/issuer-of-tests.ts'

/** Two of the first committee keep their seats: too few to speak for the second. */
const second = signersOf([2, 3, 4, 5]).map((signer) => ({ signer }))

/** An issuer that has rotated, and the tests below go through what came after it, in their order. */
let chain: TestChain
let registry: ComponentRegistry
let world: Awaited<ReturnType<typeof startIssuer>>
let servers: Awaited<ReturnType<typeof serveTickets>>[]
let logs: LogReader[]
/** Issued by the first committee, and the token that it signed. */
let ticket: Ticket
let oldToken: string
/** Of a service that has run since before the rotation. */
let running: TicketsHandle
let validator: ReturnType<TicketsHandle['createValidator']>
before(async () => {
  chain = await createTestChain()
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(chain.sender, contract)
  registry = await openComponentRegistry(chain.chain, { address: COMPONENT_REGISTRY_ADDRESS })
  await registry.register(chain.sender, { componentId, members: first })
  world = await startIssuer([0, 1, 2, 3, 4, 5])
  servers = await Promise.all(world.running.map((member) => serveTickets(member)))
  logs = servers.map(({ url }) => createLogReader({ url }))
  ticket = createTestTicket()
  const { height } = await world.command(issueOf(ticket), { kind: 'requestAnchor' })
  await anchor(height, { members: first })
  running = bindTickets()
  validator = running.createValidator(rules)
  oldToken = (await running.sign(ticket)).jws
  await verifyOnChain(running, ticket)
  await world.govern({ kind: 'approveRotation', newEpoch: 1n, members: second })
  const { commit: last } = await logs[2]!.readEpochEnd(0n)
  await anchor(last.height, {
    members: first,
    next: { kind: 'rotation', newCommitteeHash: deriveCommitteeHash(second) },
  })
})
after(async () => {
  for (const server of servers) await server.close()
  world.stop()
})

/** What an integrator holds, who knows the config alone. */
const bindTickets = (): TicketsHandle =>
  createTicketsHandle(
    { chain: chain.chain, logs, redisUrl: undefined, fromBlock: 0n },
    resolveComponent(coalition, { kind: 'tickets' }),
  )

async function anchor(height: bigint, of: { members: readonly Member[]; next?: Next }): Promise<void> {
  const [previous, certified] = [await registry.readHead({ component }), await logs[2]!.readCommit(height)]
  const sizes = { size1: previous.logSize, size2: certified.commit.logSize }
  const consistencyProof = await logs[2]!.proveConsistency(sizes)
  await registry.anchor(chain.sender, { previous, certified, consistencyProof, next: undefined, ...of })
}

/** Whether the contract takes what the client proves of it. */
async function verifyOnChain(tickets: TicketsHandle, ticket: Ticket): Promise<void> {
  const { proof } = await tickets.prove(ticket, { verifier: TICKET_VERIFIER_ADDRESS })
  const verifier = await openTicketVerifier(chain.chain, { address: TICKET_VERIFIER_ADDRESS })
  const call = { issuer: component, ticket, proof, audience, maxAgeMs: 3_600_000n }
  assert.equal(await verifier.verifyTicket(call), hashTicket(ticket))
}

const rules = { audience, lifetimeMaxMs: 600_000 }
const validate = (jws: string, by = validator): number =>
  by.validate({ class: 'issued-by', jws }, { signer: holder }, Date.now())
const isUnsigned = { code: 'TICKET_QUORUM_MISSING' }

test('sign: after the rotation the new committee signs a ticket of before it, and its signatures alone count', async () => {
  const endsAtMs = Number(ticket.notAfter) * 1_000
  // Nobody has told the service yet: it goes by what it read last.
  assert.equal(validate(oldToken), endsAtMs)
  const { jws, signers } = await running.sign(ticket)
  assert.deepEqual(
    signers.filter((signer) => !second.some((member) => member.signer === signer)),
    [],
  )
  assert.equal(validate(jws), endsAtMs)
  assert.throws(() => validate(oldToken), isUnsigned)
})

test('createValidator: whoever binds anew goes by the genesis committee until it asks who decides now', async () => {
  const fresh = bindTickets()
  const by = fresh.createValidator(rules)
  const { jws } = await bindTickets().sign(ticket)
  assert.throws(() => validate(jws, by), isUnsigned)
  await fresh.readEpochs()
  assert.equal(validate(jws, by), Number(ticket.notAfter) * 1_000)
  // Keys of the first committee that leaked since, and a ticket that nobody has issued.
  const payload = encodeTicketPayload(createTestTicket(), { ticketsRoot })
  const signatures = keys
    .slice(0, 4)
    .map(({ signer, secretKey }) => signJws({ sign: (digest) => signDigest(digest, secretKey) }, { payload, signer }))
  assert.throws(() => validate(JSON.stringify({ payload, signatures: signatures.slice(0, 3) }), by), isUnsigned)
  assert.throws(() => validate(JSON.stringify({ payload, signatures }), by), isUnsigned)
})

test('prove: the contract takes a ticket of before the rotation as soon as it is anchored, and those of after it', async () => {
  await verifyOnChain(bindTickets(), ticket)
  const later = createTestTicket()
  const { height, epoch } = await world.command(issueOf(later), { kind: 'requestAnchor' })
  assert.equal(epoch, 1n)
  await anchor(height, { members: second })
  for (const each of [ticket, later]) await verifyOnChain(bindTickets(), each)
})

test('check: what the new committee revoked is revoked, signed no more, and proven to nobody', async () => {
  const { height } = await world.command(revokeOf(ticket), { kind: 'requestAnchor' })
  const tickets = bindTickets()
  const checked = await tickets.check(hashTicket(ticket), { maxAgeMs: 60_000n, nowMs: BigInt(Date.now()) })
  assert.deepEqual([checked.status, checked.height], ['revoked', height])
  await assert.rejects(tickets.sign(ticket), { code: 'TICKET_UNSIGNED', message: /TICKET_REVOKED/ })
  await anchor(height, { members: second })
  await assert.rejects(tickets.prove(ticket, { verifier: TICKET_VERIFIER_ADDRESS }), { code: 'TICKET_REVOKED' })
})
