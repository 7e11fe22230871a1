import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { decodeErrorResult, encodeDeployData, getCreate2Address, toFunctionSelector } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS, CREATE2_PROXY_ADDRESS, TICKET_VERIFIER_ADDRESS } from '../../chain/addresses.ts'
import { findRevertData } from '../../chain/connectChain.ts'
import { createSender, type Sender } from '../../chain/createSender.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import { ticketGateAbi, ticketGateBytecode } from '../../chain/generated/ticketGate.ts'
import { ticketVerifierAbi } from '../../chain/generated/ticketVerifier.ts'
import { type Head, WINDOW_HEADS } from '../../chain/head.ts'
import { readHeads } from '../../chain/readHeads.ts'
import { RegistryRefusedError } from '../../chain/registryRefusal.ts'
import { openTicketVerifier } from '../../chain/ticketVerifier.ts'
import { readTicketProofFile } from '../../cli/ticketProofFile.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { deriveContractAudience } from '../../protocol/tickets/audience.ts'
import { createIssuedByValidator } from '../../protocol/tickets/issuedByValidator.ts'
import { decodeTicketJson } from '../../protocol/tickets/ticketJson.ts'
import { hashTicket } from '../../protocol/wire/ticket.ts'
import { type CliResult, type DemoProcess, keystorePath, PASSWORD_FILE, runCli } from '../../scripts/demo/committee.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { CHAIN_ID, readSeats, startCommittee, startWorld, until, type World } from './world.ts'

// Public: the second account of every Hardhat node.
const HOLDER = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const MAX_AGE_MS = 600_000n

/** Four members of a ticket issuer and an anchorer, as processes, a Redis and a chain, and a gate on it. In this order. */
const dir = createTestDir()
let world: World
let holder: Sender
let issuer: Component
let members: DemoProcess[]
let gate: Hex
let audience: Hex
const config = join(dir, 'coalition.json')
const path = (name: string): string => join(dir, name)

before(async () => {
  world = await startWorld()
  const { chain, payer } = world
  holder = createSender(chain, { secretKey: fromHex(HOLDER) })
  writeConfig()
  issuer = await readComponent(config, { kind: 'tickets' })
  const gateCode = encodeDeployData({
    abi: ticketGateAbi,
    bytecode: ticketGateBytecode,
    args: [TICKET_VERIFIER_ADDRESS, issuer.component, MAX_AGE_MS],
  })
  const salt: Hex = `0x${'01'.repeat(32)}`
  await payer.send({ to: CREATE2_PROXY_ADDRESS, data: `${salt}${gateCode.slice(2)}` })
  gate = getCreate2Address({ from: CREATE2_PROXY_ADDRESS, salt, bytecode: gateCode }).toLowerCase() as Hex
  audience = deriveContractAudience({ chainId: BigInt(CHAIN_ID), address: gate })
  members = await startCommittee({ ...world, config, component: 'tickets', dir })
})
after(() => world.stop())

/** An issuer that is silent but for its commands: no anchor comes between a proof and its use. */
function writeConfig(): void {
  const { address } = JSON.parse(readFileSync(keystorePath('submitter'), 'utf8')) as { address: string }
  writeFileSync(
    config,
    JSON.stringify({
      schemaVersion: 1,
      name: 'tickets.test',
      home: { chainId: CHAIN_ID, registry: COMPONENT_REGISTRY_ADDRESS },
      ticketIssuer: {
        name: 'tickets.test.issuer',
        members: readSeats(),
        parameters: {
          issuers: [`0x${address}`],
          anchorEveryCommits: 1_000,
          anchorEverySeconds: 3_600,
          heartbeatEverySeconds: 3_600,
        },
      },
    }),
  )
}

const urlsOf = (indexes: readonly number[]): string[] => indexes.map((index) => members[index]!.url)

const ticket = (verb: string, ...words: readonly string[]): Promise<CliResult> =>
  runCli(['ticket', verb, ...words, '--json'])

async function done<T>(running: Promise<CliResult>): Promise<T> {
  const { status, output, said } = await running
  assert.equal(status, 0, said)
  return JSON.parse(output) as T
}

/** The exit status and the code of a refusal. */
async function refused(running: Promise<CliResult>): Promise<[number, string, string]> {
  const { status, said } = await running
  const { error } = JSON.parse(said.slice(said.indexOf('{'))) as { error: { code: string; message: string } }
  return [status, error.code, error.message]
}

async function create(name: string): Promise<Hex> {
  // A chain's clock is that of its newest block: a ticket that began a minute ago is valid there, too.
  const notBefore = String(Math.floor(Date.now() / 1_000) - 60)
  const words = ['--subject', holder.address, '--audience-contract', `${CHAIN_ID}:${gate}`, '--lifetime', '3600']
  const made = await done<{ ticketHash: Hex }>(
    ticket('new', ...words, '--not-before', notBefore, '--out', path(`${name}.json`)),
  )
  return made.ticketHash
}

const command = (verb: string, ...words: readonly string[]): Promise<CliResult> =>
  ticket(
    verb,
    ...['--config', config, '--key', keystorePath('submitter'), '--password-file', PASSWORD_FILE],
    ...['--log', members[0]!.url, '--redis', world.redisUrl, '--anchor', ...words],
  )

const sign = (name: string, out: string, from: readonly number[] = [0, 1, 2, 3]): Promise<CliResult> =>
  ticket(
    'sign',
    ...['--config', config, '--ticket', path(`${name}.json`), '--out', path(out)],
    ...['--member', ...urlsOf(from)],
  )

const prove = (name: string, out: string): Promise<CliResult> =>
  ticket(
    'prove',
    ...['--config', config, '--ticket', path(`${name}.json`), '--out', path(out)],
    ...['--member', ...urlsOf([0, 1]), '--rpc', world.rpcUrl],
  )

const verify = (...words: readonly string[]): Promise<CliResult> =>
  ticket('verify', '--config', config, '--audience', audience, '--subject', holder.address, ...words)

const untilAnchored = ({ height }: { height: string }): Promise<Head> =>
  until(async () => {
    const head = await world.registry.readHead({ component: issuer.component }).catch(() => undefined)
    return head !== undefined && head.height >= BigInt(height) && head
  })

/** Shows a proven ticket to the gate; how it ended, or the name of the error that it was refused with. */
async function enter(proofFile: string): Promise<string> {
  const { arguments: given } = JSON.parse(readFileSync(path(proofFile), 'utf8')) as { arguments: Hex }
  const selector = toFunctionSelector(ticketGateAbi.find((item) => item.type === 'function' && item.name === 'enter')!)
  try {
    return (await holder.send({ to: gate, data: `${selector}${given.slice(2)}` })).status
  } catch (error) {
    const data = findRevertData(error)
    if (data === undefined) throw error
    return decodeErrorResult({ abi: [...ticketGateAbi, ...ticketVerifierAbi, ...componentRegistryAbi], data }).errorName
  }
}

test('a ticket is issued and anchored, lets its holder in off the chain by its token, and on it through a gate, once', async () => {
  const hash = await create('first')
  const { mode } = statSync(path('first.json'))
  assert.equal(mode & 0o777, 0o600)
  const preimage = decodeTicketJson(readFileSync(path('first.json'), 'utf8').trim())
  assert.deepEqual([hashTicket(preimage), preimage.audience], [hash, audience])

  const issued = await done<{ height: string; index: string }>(command('issue', '--ticket', path('first.json')))
  // The fourth member is not asked, as if it were away.
  const { signers } = await done<{ signers: Hex[] }>(sign('first', 'first.jws', [0, 1, 2]))
  assert.equal(signers.length, 3)
  const jws = readFileSync(path('first.jws'), 'utf8').trim()
  const ticketsRoot = issuer.coalition.ticketIssuerRoot()!
  const rules = { ticketsRoot, signers: issuer.signers, audience, lifetimeMaxMs: 3_600_000 }
  const shown = { class: 'issued-by', jws } as const
  const endsAtMs = createIssuedByValidator(rules).validate(shown, { signer: holder.address }, Date.now())
  assert.equal(endsAtMs, Number(preimage.notAfter) * 1_000)

  await untilAnchored(issued)
  const proven = await done<{ leafIndex: string; ticketHash: Hex }>(prove('first', 'first.proof'))
  assert.deepEqual([proven.ticketHash, proven.leafIndex], [hash, issued.index])
  assert.equal(await enter('first.proof'), 'success')
  assert.equal(await enter('first.proof'), 'TicketGateUsed')
})

test('a renewed ticket is refused everywhere, and the one in its place accepted', async () => {
  await create('second')
  const renewed = await done<{ height: string }>(
    command('renew', '--ticket', path('first.json'), '--new', path('second.json')),
  )
  const [status, code, message] = await refused(sign('first', 'never.jws'))
  assert.deepEqual([status, code], [1, 'TICKET_UNSIGNED'])
  assert.match(message, /^0 member.*TICKET_REVOKED/)
  await untilAnchored(renewed)
  assert.equal(await enter('first.proof'), 'ComponentRegistryNotNewest')
  assert.deepEqual((await refused(prove('first', 'never.proof'))).slice(0, 2), [1, 'TICKET_REVOKED'])
  await done(sign('second', 'second.jws'))
  await done(prove('second', 'second.proof'))
  await done(verify('--proof', path('second.proof'), '--rpc', world.rpcUrl, '--max-age', '600'))
})

test('a revoked ticket is refused on chain under every head, and no member signs it; its token lives until it ends', async () => {
  const { proof, ticket: revoked } = await readTicketProofFile(path('second.proof'))
  const { height } = await done<{ height: string }>(command('revoke', '--hash', hashTicket(revoked)))
  const newest = await untilAnchored({ height })
  assert.equal(await enter('second.proof'), 'ComponentRegistryNotNewest')

  const verifier = await openTicketVerifier(world.chain, { address: TICKET_VERIFIER_ADDRESS })
  const heads = await readHeads(world.chain, { address: world.registry.address, component: issuer.component })
  assert.ok(heads.length > 3 && BigInt(heads.length) <= WINDOW_HEADS)
  for (const issuedUnder of heads) {
    for (const shownAsNewest of heads) {
      const shown = { ...proof, issuedUnder, newest: shownAsNewest }
      const call = { issuer: issuer.component, ticket: revoked, proof: shown, audience, maxAgeMs: 2n ** 64n - 1n }
      await assert.rejects(verifier.verifyTicket(call), RegistryRefusedError)
    }
  }
  // The issuance is under the newest head still; what is refused is the status.
  const call = {
    issuer: issuer.component,
    ticket: revoked,
    proof: { ...proof, newest },
    audience,
    maxAgeMs: MAX_AGE_MS,
  }
  await assert.rejects(verifier.verifyTicket(call), { errorName: 'ComponentRegistryItemNotInState' })

  const [status, code, message] = await refused(sign('second', 'never.jws'))
  assert.deepEqual([status, code], [1, 'TICKET_UNSIGNED'])
  assert.equal(message.match(/: TICKET_REVOKED/g)?.length, 4, 'each of the four members says why')
  const token = ['--jws', path('second.jws'), '--member', ...urlsOf([0, 1])]
  assert.equal((await done<{ status: null }>(verify(...token))).status, null)
  assert.deepEqual((await refused(verify(...token, '--max-age', '600'))).slice(0, 2), [1, 'TICKET_REVOKED'])
  assert.deepEqual((await refused(verify(...token, '--lifetime-max', '60'))).slice(0, 2), [
    1,
    'TICKET_LIFETIME_TOO_LONG',
  ])
  const again = await refused(command('revoke', '--hash', hashTicket(revoked)))
  assert.deepEqual(again.slice(0, 2), [1, 'SUBMISSION_REFUSED'])
  assert.match(again[2], new RegExp(`${hashTicket(revoked)} is revoked already`))
})
