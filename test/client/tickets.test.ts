import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS, TICKET_VERIFIER_ADDRESS } from '../../chain/addresses.ts'
import { type ComponentRegistry, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { ticketGateAbi } from '../../chain/generated/ticketGate.ts'
import { ticketVerifierAbi } from '../../chain/generated/ticketVerifier.ts'
import { RegistryRefusedError } from '../../chain/registryRefusal.ts'
import { encodeTicketArguments, encodeVerifyTicket, openTicketVerifier } from '../../chain/ticketVerifier.ts'
import { checkTicket } from '../../client/checkTicket.ts'
import { type CommandIssuerParameters, commandIssuer } from '../../client/commandIssuer.ts'
import { createEpochs } from '../../client/epochs.ts'
import { findIssuance } from '../../client/findIssuance.ts'
import { followEpochs } from '../../client/followEpochs.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { type ProveTicketParameters, proveTicket } from '../../client/proveTicket.ts'
import { signTicket, TicketUnsignedError } from '../../client/signTicket.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { createIssuedByValidator } from '../../protocol/tickets/issuedByValidator.ts'
import { encodeTicketPayload } from '../../protocol/tickets/ticketToken.ts'
import { signEnvelope } from '../../protocol/wire/envelope.ts'
import { hashTicket, type Ticket } from '../../protocol/wire/ticket.ts'
import type { TicketCommand } from '../../protocol/wire/ticketCommand.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import {
  audience,
  component,
  componentId,
  createTestTicket,
  FIRST,
  holder,
  issueOf,
  issuer,
  members,
  revokeOf,
  serveTickets,
  signerOf,
  signersOf,
  startIssuer,
  ticketsRoot,
} from '../workers/member/issuer-of-tests.ts'
import { startLiar } from '../workers/member/syncWorld.ts'

const genesis = createEpochs({ component, members })

let chain: TestChain
let registry: ComponentRegistry
let world: Awaited<ReturnType<typeof startIssuer>>
let servers: Awaited<ReturnType<typeof serveTickets>>[]
let urls: string[]
let logs: LogReader[]
before(async () => {
  chain = await createTestChain()
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(chain.sender, contract)
  registry = await openComponentRegistry(chain.chain, { address: COMPONENT_REGISTRY_ADDRESS })
  await registry.register(chain.sender, { componentId, members })
  world = await startIssuer()
  servers = await Promise.all(world.running.map((member) => serveTickets(member)))
  urls = servers.map(({ url }) => url)
  logs = urls.map((url) => createLogReader({ url }))
})
after(async () => {
  for (const server of servers) await server.close()
  world.stop()
})

/** Decides `commands` in a commit that is marked for the chain, and brings it there. */
async function anchor(...commands: readonly TicketCommand[]): Promise<void> {
  const { height } = await world.command(...commands, { kind: 'requestAnchor' })
  const [previous, certified] = [await registry.readHead({ component }), await logs[0]!.readCommit(height)]
  const of = { size1: previous.logSize, size2: certified.commit.logSize }
  const consistencyProof = await logs[0]!.proveConsistency(of)
  await registry.anchor(chain.sender, { previous, certified, members, consistencyProof, next: undefined })
}

const parametersOf = (ticket: Ticket, changes: Partial<ProveTicketParameters> = {}): ProveTicketParameters => ({
  ...{ epochs: genesis, registry: registry.address, verifier: TICKET_VERIFIER_ADDRESS, ticket },
  ...changes,
})
const prove = (ticket: Ticket, changes: Partial<ProveTicketParameters> = {}, from: readonly LogReader[] = logs) =>
  proveTicket({ chain: chain.chain, logs: from }, parametersOf(ticket, changes))
const signed = (ticket: Ticket, from: readonly string[] = urls) =>
  signTicket({ urls: from }, { ticket, ticketsRoot, epochs: genesis, timeoutMs: 2_000 })

/** A ticket around the chain's time, which runs ahead of the clock where a test has moved it. */
async function createChainTicket(changes: Partial<Ticket> = {}): Promise<Ticket> {
  const now = (await chain.readTimeMs()) / 1_000n
  return createTestTicket({ notBefore: now - 300n, notAfter: now + 300n, ...changes })
}

const isUnsigned =
  (count: number, pattern: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof TicketUnsignedError, String(error))
    assert.match(error.message, new RegExp(`^${count} member`))
    assert.match(error.message, pattern)
    return true
  }

test('signTicket: gathers a quorum’s signatures into a JWS that IssuedBy accepts', async () => {
  const ticket = createTestTicket()
  await world.command(issueOf(ticket))
  const { jws, signers } = await signed(ticket)
  assert.ok(signers.length >= 3)
  const rules = { ticketsRoot, signers: signersOf(FIRST), audience, lifetimeMaxMs: 600_000 }
  const validator = createIssuedByValidator(rules)
  const endsAtMs = validator.validate({ class: 'issued-by', jws }, { signer: holder }, Date.now())
  assert.equal(endsAtMs, Number(ticket.notAfter) * 1_000)
  assert.ok(
    !jws.includes(ticket.salt.slice(2)) && !JSON.stringify(servers.map(({ logged }) => logged)).includes('salt'),
  )
})

test('signTicket: one address twice is one member, and two members are no quorum', async () => {
  const ticket = createTestTicket()
  await world.command(issueOf(ticket))
  await assert.rejects(signed(ticket, [urls[0]!, `${urls[0]!}/`, urls[1]!, urls[1]!]), isUnsigned(2, /and 3 must/))
  await assert.rejects(signed(ticket, []), isUnsigned(0, /and 3 must/))
  await assert.rejects(signed(ticket, ['file:///etc/passwd']), { code: 'INVALID_LOG_URL' })
})

test('signTicket: says by code why members refuse', async () => {
  const [revoked, unknown] = [createTestTicket(), createTestTicket()]
  await world.command(issueOf(revoked), revokeOf(revoked))
  await assert.rejects(signed(revoked), isUnsigned(0, /TICKET_REVOKED.*TICKET_REVOKED/))
  await assert.rejects(signed(unknown), isUnsigned(0, /TICKET_UNKNOWN/))
  await assert.rejects(signed({ ...unknown, salt: '0x' }), { code: 'INVALID_TICKET' })
})

/** A server that answers every request for a signature as `answer` has it. */
async function startFalseMember(answer: (response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume()
    answer(response)
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

test('signTicket: counts no answer that is not a current member’s signature under this ticket, and waits for none', async () => {
  const [ticket, other] = [createTestTicket(), createTestTicket()]
  await world.command(issueOf(ticket), issueOf(other))
  const own = signerOf(world.running[2]!).sign(ticket)
  const json = (value: unknown) => (response: ServerResponse) => void response.end(JSON.stringify(value))
  const lies: [RegExp, (response: ServerResponse) => void][] = [
    [/not a current member’s/, json(signerOf(world.running[2]!).sign(other))],
    [/not a current member’s/, json({ ...own, protected: signerOf(world.running[3]!).sign(ticket).protected })],
    [/not a current member’s/, json({ ...own, signature: `${own.signature}=` })],
    [/not a current member’s/, json({ ...own, signature: '' })],
    [/no signature/, json({ ...own, more: 1 })],
    [/no signature/, json(null)],
    [/no signature/, (response) => response.end('<html>')],
    [/answers 302|no answer/, (response) => response.writeHead(302, { location: urls[2]! }).end()],
    [/answers 500/, (response) => response.writeHead(500).end('{"error":{"code":"\\u001b[31m"}}')],
    [/too large/, (response) => response.end('x'.repeat(10_000))],
    [/no answer/, () => {}],
    [/no answer/, (response) => response.writeHead(200).write('{')],
    [/no answer/, (response) => response.destroy()],
  ]
  for (const [pattern, lie] of lies) {
    const liar = await startFalseMember(lie)
    await assert.rejects(
      signTicket({ urls: [urls[0]!, urls[1]!, liar.url] }, { ticket, ticketsRoot, epochs: genesis, timeoutMs: 3_000 }),
      isUnsigned(2, pattern),
    )
    // A quorum of others is enough, however long this one takes.
    const { signers } = await signTicket(
      { urls: [liar.url, ...urls.slice(0, 3)] },
      { ticket, ticketsRoot, epochs: genesis, timeoutMs: 20_000 },
    )
    assert.ok(signers.length >= 3)
    liar.close()
  }
})

test('signTicket: signatures of the current committee count, and no others', async () => {
  const rotated = await startIssuer([0, 1, 2, 3, 4])
  const ticket = createTestTicket()
  await rotated.command(issueOf(ticket))
  const serving = await Promise.all(rotated.running.map((member) => serveTickets(member)))
  const own = serving.map(({ url }) => url)
  const old = signerOf(rotated.running[0]!).sign(ticket)
  const next = signersOf([1, 2, 3, 4]).map((signer) => ({ signer }))
  await rotated.govern({ kind: 'approveRotation', newEpoch: 1n, members: next })
  const epochs = await followEpochs({ logs: [createLogReader({ url: own[1]! })] }, genesis)
  const { signers } = await signTicket({ urls: own }, { ticket, ticketsRoot, epochs })
  assert.ok(!signers.includes(signersOf([0])[0]!))
  const replaced = await startFalseMember((response) => void response.end(JSON.stringify(old)))
  await assert.rejects(
    signTicket({ urls: [own[1]!, own[2]!, replaced.url] }, { ticket, ticketsRoot, epochs }),
    isUnsigned(2, /not a current member’s/),
  )
  replaced.close()
  const { payload } = JSON.parse((await signTicket({ urls: own }, { ticket, ticketsRoot, epochs })).jws)
  assert.equal(payload, encodeTicketPayload(ticket, { ticketsRoot }))
  await Promise.all(serving.map((server) => server.close()))
  rotated.stop()
})

test('proveTicket: makes what the contract accepts, from any member, wherever in the log it stands', async () => {
  const tickets = await Promise.all(Array.from({ length: 5 }, () => createChainTicket()))
  await assert.rejects(prove(tickets[0]!), { code: 'NOT_ANCHORED_STATE' })
  await anchor(...tickets.map((ticket) => issueOf(ticket)))
  const verifier = await openTicketVerifier(chain.chain, { address: TICKET_VERIFIER_ADDRESS })
  for (const [index, ticket] of tickets.entries()) {
    const proven = await prove(ticket, {}, [logs[index % 4]!])
    assert.equal(proven.ticketHash, hashTicket(ticket))
    const call = { issuer: component, ticket, proof: proven.proof, audience, maxAgeMs: 3_600_000n }
    assert.equal(await verifier.verifyTicket(call), proven.ticketHash)
    const { proof } = proven
    assert.deepEqual((await prove(ticket, { index: proof.leafIndex })).proof, proof)
    const given = { ...proof, inclusionProof: proof.inclusionProof.map(toHex) }
    const enter = encodeFunctionData({ abi: ticketGateAbi, functionName: 'enter', args: [ticket, given] })
    assert.equal(encodeTicketArguments({ ticket, proof }), `0x${enter.slice(10)}`)
    const args = [component, ticket, given, audience, 3_600_000n] as const
    assert.equal(
      encodeVerifyTicket(call),
      encodeFunctionData({ abi: ticketVerifierAbi, functionName: 'verifyTicket', args }),
    )
  }
})

test('proveTicket: says what is proven of a revoked ticket, and of one that the head has not', async () => {
  const [ticket, later] = [await createChainTicket(), await createChainTicket()]
  await anchor(issueOf(ticket))
  await world.command(revokeOf(ticket), issueOf(later))
  // Until the next anchor the chain does not know: that is what a consumer's maximum age is for.
  assert.equal((await prove(ticket)).ticketHash, hashTicket(ticket))
  await assert.rejects(prove(later), { code: 'TICKET_UNKNOWN' })
  await anchor(issueOf(await createChainTicket()))
  await assert.rejects(prove(ticket), { code: 'TICKET_REVOKED' })
  assert.equal((await prove(later)).ticketHash, hashTicket(later))
  await assert.rejects(prove({ ...later, salt: ticket.salt }), { code: 'TICKET_UNKNOWN' })
  await assert.rejects(prove(later, { index: 0n }), { code: 'INCLUSION_NOT_PROVEN' })
  await assert.rejects(prove(later, { index: 10_000n }), { code: 'ISSUANCE_NOT_FOUND' })
})

test('proveTicket: the contract has the last word on the window and the age of the head', async () => {
  const now = (await chain.readTimeMs()) / 1_000n
  const early = await createChainTicket({ notBefore: now + 10_000n, notAfter: now + 20_000n })
  const ticket = await createChainTicket()
  await anchor(issueOf(early), issueOf(ticket))
  const refusedWith =
    (name: string) =>
    (error: unknown): boolean =>
      error instanceof RegistryRefusedError && error.errorName === name
  await assert.rejects(prove(early), refusedWith('TicketVerifierNotYetValid'))
  await chain.request('evm_increaseTime', [120])
  await chain.request('evm_mine')
  await prove(ticket, { maxAgeMs: 3_600_000n })
  await assert.rejects(prove(ticket, { maxAgeMs: 60_000n }), refusedWith('ComponentRegistryHeadTooOld'))
  await chain.request('evm_increaseTime', [300])
  await chain.request('evm_mine')
  await assert.rejects(prove(ticket), refusedWith('TicketVerifierExpired'))
})

test('proveTicket: refuses a verifier that relies on another registry, and one that is none', async () => {
  const ticket = await createChainTicket()
  const other = await chain.deploy('contracts/TicketVerifier.sol', { args: [TICKET_VERIFIER_ADDRESS] })
  await assert.rejects(prove(ticket, { verifier: other.address }), { code: 'OTHER_REGISTRY' })
  await assert.rejects(prove(ticket, { verifier: holder }), { code: 'NO_CONTRACT' })
})

test('proveTicket: a member that serves another state or log proves nothing, and an honest one is enough', async () => {
  const [ticket, revoked] = [await createChainTicket(), await createChainTicket()]
  await anchor(issueOf(ticket), issueOf(revoked), revokeOf(revoked))
  const { height } = await registry.readHead({ component })
  const snapshot = Buffer.from(await logs[0]!.readSnapshot(height))
  const hash = Buffer.from(hashTicket(revoked).slice(2), 'hex')
  const at = snapshot.indexOf(hash)
  assert.ok(at > 0)
  const forged = Buffer.from(snapshot)
  forged[at + 63] = 1 // the word behind the hash says what became of the ticket
  const liar = await startLiar(urls[0]!, (path) => (path.startsWith('snapshot/') ? forged : undefined))
  const lying = createLogReader({ url: liar.url })
  await assert.rejects(prove(revoked, {}, [lying]), { code: 'STATE_UNPROVEN' })
  assert.equal((await prove(ticket, {}, [lying, logs[1]!])).ticketHash, hashTicket(ticket))
  liar.close()
  const hiding = await startLiar(urls[0]!, (path) => (path.startsWith('tile/') ? 'nothing' : undefined))
  const hidden = createLogReader({ url: hiding.url })
  await assert.rejects(prove(ticket, {}, [hidden]))
  assert.equal((await prove(ticket, {}, [hidden, logs[1]!])).ticketHash, hashTicket(ticket))
  hiding.close()
})

test('checkTicket: says what became of a ticket in the newest certified state, and how old that is', async () => {
  const [valid, revoked] = [createTestTicket(), createTestTicket()]
  await anchor(issueOf(valid), issueOf(revoked), revokeOf(revoked))
  const check = (ticketHash: Hex, { maxAgeMs = 60_000n, nowMs = BigInt(Date.now()) } = {}) =>
    checkTicket({ logs }, { epochs: genesis, ticketHash, maxAgeMs, nowMs })
  const checked = await check(hashTicket(valid))
  assert.equal(checked.status, 'valid')
  assert.equal((await check(hashTicket(revoked))).status, 'revoked')
  assert.equal((await check(`0x${'00'.repeat(32)}`)).status, 'unknown')
  const late = { maxAgeMs: 60_000n, nowMs: checked.timestampMs + 60_001n }
  await assert.rejects(check(hashTicket(valid), late), { code: 'STATUS_TOO_OLD' })
  assert.equal((await check(hashTicket(valid), { ...late, nowMs: late.nowMs - 1n })).status, 'valid')
  assert.equal((await check(hashTicket(valid), { nowMs: 0n })).status, 'valid', 'a clock behind is no age')
})

test('findIssuance: looks through bundles from the newest back', async () => {
  const first = createTestTicket()
  const { commit } = await logs[0]!.readCommit((await world.command(issueOf(first))).height)
  const more = Array.from({ length: 256 }, () => issueOf(createTestTicket()))
  await world.command(...more)
  const { logSize: size, logRoot: root } = await world.command(issueOf(createTestTicket()))
  const found = await findIssuance(logs[0]!, { ticketHash: hashTicket(first), size, root })
  assert.equal(found.index, commit.logSize - 1n)
  await assert.rejects(findIssuance(logs[0]!, { ticketHash: `0x${'00'.repeat(32)}`, size, root }), {
    code: 'ISSUANCE_NOT_FOUND',
  })
})

test('commandIssuer: refuses a gap, a retired issuer and a lost Redis before anything is sent', async () => {
  const ask = (changes: Partial<CommandIssuerParameters> = {}) =>
    commandIssuer(
      { log: logs[0]!, redisUrl: 'redis://127.0.0.1:1' },
      {
        ...{ epochs: genesis, commands: [issueOf(createTestTicket())], issuer: issuer.signer, timeoutMs: 1_000 },
        sign: (envelope) => signEnvelope(envelope, issuer.secretKey),
        ...changes,
      },
    )
  await assert.rejects(ask({ sequence: 1_000_000n }), { code: 'SEQUENCE_REFUSED' })
  const retirement = { component, successor: componentId, effectiveHeight: 9n, reason: 'moved' }
  await assert.rejects(ask({ epochs: { ...genesis, retirement } }), { code: 'COMPONENT_RETIRED' })
  await assert.rejects(
    signTicket({ urls }, { ticket: createTestTicket(), ticketsRoot, epochs: { ...genesis, retirement } }),
    {
      code: 'COMPONENT_RETIRED',
    },
  )
  await assert.rejects(ask(), { code: 'REDIS_UNREACHABLE' })
})
