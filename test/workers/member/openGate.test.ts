import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { openComponentRegistry } from '../../../chain/componentRegistry.ts'
import { connectChain } from '../../../chain/connectChain.ts'
import { createSender } from '../../../chain/createSender.ts'
import { deployRegistry } from '../../../chain/deployRegistry.ts'
import { chronicle as machine } from '../../../modules/chronicle/machine.ts'
import { fromHex, type Hex } from '../../../protocol/bytes.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import type { CoalitionFile } from '../../../protocol/identity/configFile.ts'
import type { AdmissionRule } from '../../../protocol/tickets/admissionRules.ts'
import { signJws } from '../../../protocol/tickets/jwsSignature.ts'
import { encodeTicketPayload } from '../../../protocol/tickets/ticketToken.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { type Service, startChain } from '../../../scripts/services.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../../workers/member/frame.ts'
import { openGate } from '../../../workers/member/openGate.ts'
import { derivePeerFrameDigest } from '../../../workers/member/peerFrame.ts'
import { openReplica } from '../../../workers/member/replica.ts'
import { initStore, openStore } from '../../../workers/member/store.ts'
import type { MemberSettings } from '../../../workers/runtime/config.ts'
import { component, createTestDir, parameters } from './chronicle-of-tests.ts'
import { audience, createTestTicket, members as issuers, keys, until } from './issuer-of-tests.ts'

// Public: the first account of every Hardhat node.
const PAYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

const logger = pino({ level: 'silent' })
const [self, peer] = [keys[4]!, keys[5]!]
const dir = createTestDir()
const cleanups: (() => Promise<void> | void)[] = []
const shutdown = {
  defer: (_name: string, close: () => Promise<void> | void) => void cleanups.push(close),
  run: async () => {},
}

let node: Service
let home: { chainId: bigint; registry: Hex }
let config: string
let rule: Extract<AdmissionRule, { class: 'issued-by' }>
before(async () => {
  node = await startChain({ isPrivate: true })
  const chain = await connectChain({ rpcUrl: node.url })
  const sender = createSender(chain, { secretKey: fromHex(PAYER) })
  const { address } = await deployRegistry(sender)
  home = { chainId: BigInt(chain.chainId), registry: address }
  const file: CoalitionFile = {
    schemaVersion: 1,
    name: 'ethereum.superchain',
    home: { chainId: chain.chainId, registry: address },
    ticketIssuer: {
      name: 'superchain.tickets',
      members: issuers,
      parameters: {
        issuers: [self.signer],
        anchorEveryCommits: 16,
        anchorEverySeconds: 60,
        heartbeatEverySeconds: 600,
      },
    },
  }
  config = join(dir, 'issuer.json')
  writeFileSync(config, JSON.stringify(file))
  const coalition = defineCoalition(file)
  const signers = issuers.map(({ signer }) => signer)
  rule = { class: 'issued-by', ticketsRoot: coalition.ticketIssuerRoot()!, signers, audience, lifetimeMaxMs: 3_600_000 }
  const registry = await openComponentRegistry(chain, { address })
  await registry.register(sender, { componentId: coalition.ticketIssuer!.componentId(), members: issuers })
})
after(async () => {
  for (const close of cleanups.reverse()) await close()
  await node.stop()
})

/** Opens the gate of `self`, with what its operator set. */
async function open(settings: Partial<MemberSettings>) {
  const identity = { dir: createTestDir(), component, signer: self.signer }
  initStore(identity)
  const store = openStore(identity)
  cleanups.push(() => store.close())
  const encoded = encodeChronicleParameters(parameters)
  const replica = openReplica(
    { machine, store },
    { component, parameters: encoded, members: [{ signer: self.signer }] },
  )
  return await openGate(
    { replica, store, logger, shutdown },
    {
      settings: { REDIS_URL: 'redis://127.0.0.1:1', FROM_BLOCK: 0n, ISSUERS: [], ...settings } as MemberSettings,
      component: { component, componentId: `0x${'1d'.repeat(32)}`, home },
      rules: [rule],
      signer: self.signer,
    },
  )
}

test('openGate: does not open with issuers and no chain to hold them against', async () => {
  const refusal = { code: 'INVALID_SETTING', message: /RPC_URLS/ }
  await assert.rejects(open({ ISSUERS: [{ config, urls: [] }] }), refusal)
})

/** A gate among whose peers is one that shows a token which a quorum of the issuer's members signed. */
async function showToken(settings: Partial<MemberSettings>) {
  const createGate = await open(settings)
  const said: Frame[] = []
  const gate = createGate({
    component,
    self: self.signer,
    members: () => [self.signer],
    send: (frame) => {
      const inner = frame.kind === 'signed' ? decodeFrame(frame.bytes) : frame
      if (typeof inner !== 'string') said.push(inner)
    },
    sign: (digest) => signDigest(digest, self.secretKey),
    heardOf: () => {},
    vitals: { drop: () => {}, heard: () => {} },
  })
  const ticket = createTestTicket({ subject: peer.signer })
  const payload = encodeTicketPayload(ticket, rule)
  const signatures = keys
    .slice(0, 3)
    .map(({ signer, secretKey }) => signJws({ sign: (digest) => signDigest(digest, secretKey) }, { payload, signer }))
  const jws = JSON.stringify({ payload, signatures })
  const bytes = encodeFrame({ kind: 'tickets', tickets: [{ class: 'issued-by', jws }] })
  const signature = signDigest(derivePeerFrameDigest({ component, bytes }), peer.secretKey)
  return { gate, said, ticket, show: () => gate.receive({ kind: 'signed', signer: peer.signer, signature, bytes }) }
}

test('openGate: admits by a ticket of the issuer that ISSUERS names, once the chain has said whose signatures count', async () => {
  const { gate, ticket, show } = await showToken({ RPC_URLS: [node.url], ISSUERS: [{ config, urls: [] }] })
  await until(() => {
    show()
    return gate.stateAdmission(peer.signer) !== undefined
  })
  assert.equal(gate.stateAdmission(peer.signer)!.endsAtMs, Number(ticket.notAfter) * 1_000)
})

test('openGate: admits by no ticket of an issuer that ISSUERS does not name, and says over which block one may quote', async () => {
  const { gate, said, show } = await showToken({ RPC_URLS: [node.url] })
  show()
  await until(() => said.length > 0)
  assert.deepEqual(
    gate.status().refused.map(({ signer, code }) => [signer, code]),
    [[peer.signer, 'ISSUER_UNREAD']],
  )
  const [told] = said
  assert.ok(told?.kind === 'unadmitted' && told.peer === peer.signer && told.code === 'ISSUER_UNREAD')
  assert.equal(told.nonce?.height, 0n)
  const { client } = await connectChain({ rpcUrl: node.url })
  assert.equal((await client.getBlock({ blockHash: told.nonce.digest })).hash, told.nonce.digest)
  assert.equal(gate.stateAdmission(peer.signer), undefined)
})
