import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { createPublicClient, custom } from 'viem'
import { type ComponentRegistry, openComponentRegistry } from '../../../chain/componentRegistry.ts'
import type { Chain } from '../../../chain/connectChain.ts'
import { deployRegistry } from '../../../chain/deployRegistry.ts'
import type { Next } from '../../../chain/encodeAnchor.ts'
import { followToHead } from '../../../client/followToHead.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import { keccak256 } from '../../../protocol/hash.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { deriveComponentKey } from '../../../protocol/identity/component.ts'
import type { CoalitionFile } from '../../../protocol/identity/configFile.ts'
import type { AdmissionRule } from '../../../protocol/tickets/admissionRules.ts'
import { signJws } from '../../../protocol/tickets/jwsSignature.ts'
import { encodeTicketPayload } from '../../../protocol/tickets/ticketToken.ts'
import { type Committee, deriveDetails, hashCommittee } from '../../../protocol/wire/committee.ts'
import { createAdmission } from '../../../workers/attestation/admission.ts'
import {
  createIssuers,
  ISSUER_COUNTS_FOR_MS,
  ISSUER_READ_EVERY_MS,
  type Issuer,
} from '../../../workers/member/issuers.ts'
import { readIssuers } from '../../../workers/member/readIssuers.ts'
import { createTestChain, type TestChain } from '../../chain/createTestChain.ts'
import { createTestCommittee, type TestCommittee } from '../../chain/testCommittee.ts'
import { startScriptedLog } from '../chronicle-anchor/scriptedLog.ts'
import { createTestDir } from './chronicle-of-tests.ts'
import { audience, createTestTicket, holder, until } from './issuer-of-tests.ts'

const logger = pino({ level: 'silent' })
const ticketsRoot: Hex = `0x${'77'.repeat(32)}`
const first = createTestCommittee({ name: 'issuer 0', memberCount: 4 })
const second = { name: 'issuer 1', memberCount: 4 }
const forged = { name: 'issuer that never was', memberCount: 4 }
const signersOf = (of: { name: string; memberCount: number }): readonly Hex[] => createTestCommittee(of).signers

let chain: TestChain
let registry: ComponentRegistry
before(async () => {
  chain = await createTestChain()
  const { address } = await deployRegistry(chain.sender)
  registry = await openComponentRegistry(chain.chain, { address })
})

const opened: { close(): Promise<void> }[] = []
after(async () => void (await Promise.all(opened.map((log) => log.close()))))
async function startLog(component: Hex) {
  const log = await startScriptedLog({ component, committee: first })
  opened.push(log)
  return log
}

let made = 0
/** An issuer that is registered, whose log and anchors the test decides. */
async function startIssuer() {
  made += 1
  const componentId = toHex(keccak256(Uint8Array.of(made)))
  const { component } = await registry.register(chain.sender, { componentId, members: first.members })
  const log = await startLog(component)
  /** Brings the newest commit of `log` to the chain, certified by `committee`. */
  async function anchor(committee: TestCommittee, { height, next }: { height: bigint; next?: Next }): Promise<void> {
    const reader = createLogReader({ url: log.url })
    const [previous, certified] = [await registry.readHead({ component }), await reader.readCommit(height)]
    const of = { size1: previous.logSize, size2: certified.commit.logSize }
    const consistencyProof = previous.logSize === 0n ? [] : await reader.proveConsistency(of)
    const { members } = committee
    await registry.anchor(chain.sender, { previous, certified, members, consistencyProof, next })
  }
  return {
    component,
    log,
    issuerOf: (...urls: string[]): Issuer => ({
      ...{ ticketsRoot, component, registry: registry.address },
      logs: urls.map((url) => createLogReader({ url })),
    }),
    async rotate(): Promise<void> {
      const { height } = log.rotate(second)
      const newCommitteeHash = createTestCommittee(second).hash
      await anchor(first, { height, next: { kind: 'rotation', newCommitteeHash } })
    },
    async retire(): Promise<void> {
      const { height } = log.retire({ successor: component, reason: 'moved' })
      await anchor(first, { height, next: { kind: 'retirement', successor: component, reason: 'moved' } })
    },
  }
}

const never = { monotonic: { nowMs: () => 0 }, logger }
const follow = (issuer: Issuer, deps = {}) =>
  createIssuers({ chain: chain.chain, ...never, ...deps }, { issuers: [issuer], fromBlock: 0n })

test('createIssuers: follows an issuer to the committee of the chain’s newest head, and not beyond', async () => {
  const { log, issuerOf, rotate } = await startIssuer()
  const issuers = follow(issuerOf(log.url))
  assert.throws(() => issuers.signersOf(ticketsRoot), { code: 'ISSUER_UNREAD', isRetryable: true })
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
  await rotate()
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), signersOf(second))
  log.rotate({ name: 'issuer 2', memberCount: 4 })
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), signersOf(second))
})

test('createIssuers: keys of a replaced committee lead nowhere, and neither does a log that hangs', async () => {
  const { component, log, issuerOf, rotate } = await startIssuer()
  await rotate()
  const other = await startLog(component)
  other.rotate(forged)
  const liar = createLogReader({ url: other.url })
  const { epoch } = await registry.readHead({ component })
  assert.equal(epoch, 1n)
  const deceived = follow(issuerOf(other.url))
  await deceived.read()
  assert.throws(() => deceived.signersOf(ticketsRoot), /is not known now: NOT_VERIFIED/)
  await assert.rejects(
    followToHead({ registry, log: liar }, { component, head: await registry.readHead({ component }) }),
    /leads to another committee in epoch 1/,
  )
  const hanging = { ...createLogReader({ url: log.url }), readEpochEnd: () => new Promise<never>(() => {}) }
  const { logs, ...issuer } = issuerOf(other.url, 'http://127.0.0.1:1', log.url)
  const issuers = follow({ ...issuer, logs: [hanging, ...logs] })
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), signersOf(second))
})

test('createIssuers: needs no log until there was a rotation, and then one', async () => {
  const { issuerOf, rotate } = await startIssuer()
  const issuers = follow(issuerOf())
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
  await rotate()
  const later = follow(issuerOf())
  await later.read()
  assert.throws(() => later.signersOf(ticketsRoot), { code: 'ISSUER_UNREAD', message: /NOT_VERIFIED/ })
})

/** The test's chain, which answers nothing while `isAway`. */
function createAbsentChain(state: { isAway: boolean }): Chain {
  const request = ({ method, params }: { method: string; params?: readonly unknown[] }): Promise<unknown> =>
    state.isAway ? Promise.reject(new Error('nobody answers')) : chain.request(method, params)
  return { ...chain.chain, client: createPublicClient({ transport: custom({ request }, { retryCount: 0 }) }) }
}

test('createIssuers: what was read counts for ten minutes while the chain is away, whatever the clock says, and no longer', async () => {
  const { log, issuerOf } = await startIssuer()
  const [state, time] = [{ isAway: false }, { ms: 5 }]
  const monotonic = { nowMs: () => time.ms }
  const issuers = follow(issuerOf(log.url), { chain: createAbsentChain(state), monotonic })
  await issuers.read()
  state.isAway = true
  time.ms += ISSUER_COUNTS_FOR_MS
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
  time.ms += 1
  assert.throws(() => issuers.signersOf(ticketsRoot), { code: 'ISSUER_UNREAD', message: /RPC_REFUSED/ })
  state.isAway = false
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
})

test('createIssuers: once started it asks at once and every minute', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { issuerOf, log, rotate } = await startIssuer()
  const issuers = follow(issuerOf(log.url))
  issuers.start()
  await issuers.read()
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
  await rotate()
  t.mock.timers.tick(ISSUER_READ_EVERY_MS - 1)
  assert.deepEqual(issuers.signersOf(ticketsRoot), first.signers)
  t.mock.timers.tick(1)
  // The first signer of each committee is another one.
  await until(() => issuers.signersOf(ticketsRoot)[0] !== first.signers[0])
  assert.deepEqual(issuers.signersOf(ticketsRoot), signersOf(second))
  issuers.stop()
})

test('createIssuers: nobody signs for an issuer that retired, is not registered, or stands on a chain that is not read', async () => {
  const { log, issuerOf, retire } = await startIssuer()
  const issuers = follow(issuerOf(log.url))
  await issuers.read()
  await retire()
  await issuers.read()
  assert.throws(() => issuers.signersOf(ticketsRoot), { code: 'COMPONENT_RETIRED' })
  const unknown = follow({ ...issuerOf(log.url), component: `0x${'c1'.repeat(32)}` })
  await unknown.read()
  assert.throws(() => unknown.signersOf(ticketsRoot), /COMPONENT_UNKNOWN/)
  const blind = follow(issuerOf(log.url), { chain: undefined })
  await blind.read()
  assert.throws(() => blind.signersOf(ticketsRoot), /the chain was not asked yet/)
  assert.throws(() => blind.signersOf(`0x${'78'.repeat(32)}`), { code: 'ISSUER_UNREAD' })
})

/** A token of `ticket` that the first three of a committee signed. */
function signToken(ticket: ReturnType<typeof createTestTicket>, committee: TestCommittee): string {
  const payload = encodeTicketPayload(ticket, { ticketsRoot })
  const signatures = committee.signers
    .slice(0, 3)
    .map((signer, place) => signJws({ sign: (digest) => committee.sign(place, digest) }, { payload, signer }))
  return JSON.stringify({ payload, signatures })
}

const rule = { class: 'issued-by', ticketsRoot, signers: first.signers, audience, lifetimeMaxMs: 3_600_000 } as const

test('createAdmission: after the issuer’s rotation its new committee’s tickets admit, and those of leaked old keys do not', async () => {
  const { log, issuerOf, rotate } = await startIssuer()
  const issuers = follow(issuerOf(log.url))
  const admission = createAdmission(
    {
      ...{ issuerSigners: issuers.signersOf, clock: { nowMs: Date.now } },
      ...{ currentMembers: () => [], disconnect: () => {}, requestRotation: () => {} },
    },
    { componentId: `0x${'1d'.repeat(32)}`, rules: [rule] },
  )
  const next = createTestCommittee(second)
  const show = (by: TestCommittee, ticket = createTestTicket()) =>
    admission.admit({
      signer: holder,
      tickets: [{ class: 'issued-by', jws: signToken(ticket, by) }],
      nonceTimeMs: () => undefined,
    })
  await assert.rejects(show(first), { code: 'ISSUER_UNREAD' })
  await issuers.read()
  const ticket = createTestTicket()
  assert.equal(await show(first, ticket), Number(ticket.notAfter) * 1_000)
  await assert.rejects(show(next), { code: 'TICKET_QUORUM_MISSING' })
  await rotate()
  await issuers.read()
  await assert.rejects(show(first), { code: 'TICKET_QUORUM_MISSING' })
  const later = createTestTicket({ notAfter: ticket.notAfter + 60n })
  assert.equal(await show(next, later), Number(later.notAfter) * 1_000)
})

const home = { chainId: 31_337n, registry: `0x${'cc'.repeat(20)}` } as const
const cadence = { anchorEveryCommits: 16, anchorEverySeconds: 60, heartbeatEverySeconds: 600 }
const file: CoalitionFile = {
  schemaVersion: 1,
  name: 'ethereum.superchain',
  home: { chainId: 31_337, registry: home.registry },
  ticketIssuer: {
    name: 'superchain.tickets',
    members: first.members.map((member) => ({ ...member })),
    parameters: { issuers: [holder], ...cadence },
  },
}
const coalition = defineCoalition(file)
const ruleOf = (changes: object = {}): AdmissionRule => ({
  ...{ ...rule, ticketsRoot: coalition.ticketIssuerRoot()! },
  ...changes,
})

function writeConfig(changes: Partial<CoalitionFile> = {}): string {
  const path = join(createTestDir(), 'issuer.json')
  writeFileSync(path, JSON.stringify({ ...file, ...changes }))
  return path
}

const urls = ['http://127.0.0.1:1']
const RPC_URLS = ['http://127.0.0.1:2']

test('readIssuers: a config that derives to the rule’s tickets root gives the issuer’s component key', async () => {
  const ISSUERS = [{ config: writeConfig(), urls }]
  const [issuer, ...more] = await readIssuers({ ISSUERS, RPC_URLS }, { rules: [ruleOf()], home, logger })
  assert.deepEqual(more, [])
  assert.equal(issuer!.component, coalition.ticketIssuer!.componentKey())
  const committee: Committee = { signers: first.signers, details: deriveDetails(first.members) }
  const componentId = coalition.ticketIssuer!.componentId()
  assert.equal(issuer!.component, deriveComponentKey({ componentId, committee: hashCommittee(committee) }))
  assert.deepEqual([issuer!.ticketsRoot, issuer!.registry], [coalition.ticketIssuerRoot(), home.registry])
  assert.deepEqual(
    issuer!.logs.map(({ url }) => url),
    urls,
  )
  assert.deepEqual(await readIssuers({ ISSUERS: [], RPC_URLS: undefined }, { rules: [ruleOf()], home, logger }), [])
})

for (const { name, config = writeConfig(), rules = [ruleOf()], rpcUrls = RPC_URLS, reason } of [
  {
    name: 'another coalition’s config',
    config: writeConfig({ name: 'ethereum.other' }),
    reason: /ISSUERS.*no rule asks/,
  },
  {
    name: 'a rule with other signers',
    rules: [ruleOf({ signers: signersOf(second) })],
    reason: /ISSUERS.*no rule asks/,
  },
  { name: 'no rule that asks for tickets', rules: [], reason: /ISSUERS.*no rule asks/ },
  {
    name: 'an issuer of another chain',
    config: writeConfig({ home: { chainId: 1, registry: home.registry } }),
    reason: /ISSUERS.*at home on chain 1, and RPC_URLS are of chain 31337/,
  },
  { name: 'no chain', rpcUrls: null, reason: /RPC_URLS.*it is missing/ },
])
  test(`readIssuers: refuses ${name}`, async () => {
    const settings = { ISSUERS: [{ config, urls }], RPC_URLS: rpcUrls ?? undefined }
    await assert.rejects(readIssuers(settings, { rules, home, logger }), { code: 'INVALID_SETTING', message: reason })
  })
