import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { connectChain } from '../../chain/connectChain.ts'
import { createSender } from '../../chain/createSender.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { AlmanacHandle } from '../../client/almanacHandle.ts'
import { type Bound, bind } from '../../client/bind.ts'
import type { ChronicleHandle } from '../../client/chronicleHandle.ts'
import { assertProof, EntryRangeError, InvalidReadError, NotBoundError } from '../../client/componentHandle.ts'
import { createLogReader, OtherComponentError } from '../../client/logReader.ts'
import { NotVerifiedError } from '../../client/notVerified.ts'
import { NoComponentError } from '../../client/readComponent.ts'
import { NotAnchoredError } from '../../client/verifyEntry.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { defineCoalition } from '../../protocol/identity/coalition.ts'
import { CertificateRefusedError } from '../../protocol/wire/certificate.ts'
import { encodeEnvelope } from '../../protocol/wire/envelope.ts'
import { forgeCertificate, forgeEntry, withTamperedLog } from '../../scripts/demo/tamperedLog.ts'
import { type Service, startChain } from '../../scripts/services.ts'
import { createEnvelope, members, startCommittee, submitter } from '../workers/member/chronicle-of-tests.ts'
import { serve } from '../workers/member/serve.ts'

// Public: the first account of every Hardhat node.
const PAYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const NOBODY = 'http://127.0.0.1:1'
const word = `0x${'c0'.repeat(32)}` as const

type IsEqual<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function assertType<_Holds extends true>(): void {}

/** A Chronicle of a coalition that ships nothing else: its committee in memory, its log served, its first two heights anchored. */
let node: Service
let chronicle: ChronicleHandle
let bindTo: (...urls: string[]) => Promise<ChronicleHandle>
let url: string
let close: () => Promise<void>
before(async () => {
  node = await startChain({ isPrivate: true })
  const chain = await connectChain({ rpcUrl: node.url })
  const sender = createSender(chain, { secretKey: fromHex(PAYER) })
  const registry = await openComponentRegistry(chain, await deployRegistry(sender))
  const coalition = defineCoalition({
    schemaVersion: 1,
    name: 'bind.test',
    home: { chainId: 31_337, registry: registry.address },
    modules: {
      chronicle: {
        members: members.map(({ signer }) => ({ signer })),
        parameters: { submitters: [submitter.signer], anchorEveryCommits: 1, anchorEverySeconds: 1000 },
      },
    },
  } as const)
  bindTo = async (...urls) =>
    (await bind(coalition, { chain: { rpcUrls: [node.url] }, http: { chronicle: urls } })).chronicle
  const { component, componentId } = await bindTo(NOBODY)
  const committee = await startCommittee([0, 1, 2, 3], { anchorEveryCommits: 1 }, component)
  const member = committee.running[0]!
  const server = await serve(member)
  url = server.url
  close = async () => {
    await server.close()
    committee.stop()
  }
  const append = (sequence: bigint, texts: string[]) =>
    member.driver.submit(encodeEnvelope(createEnvelope(sequence, texts, submitter, component)))
  await append(1n, ['{"n":"one"}', '{"n":"two"}'])
  await registry.register(sender, { componentId, members: members.map(({ signer }) => ({ signer })) })
  const log = createLogReader({ url })
  const anchoring = {
    previous: await registry.readHead({ component }),
    certified: await log.readCommit(1n),
    members: members.map(({ signer }) => ({ signer })),
    consistencyProof: [],
  }
  await registry.anchor(sender, anchoring)
  await append(2n, ['{"n":"three"}'])
  chronicle = await bindTo(url)
})
after(async () => {
  await close()
  await node.stop()
})

const texts = (entries: readonly { said: unknown }[]): string[] =>
  entries.map(({ said }) => new TextDecoder().decode((said as { statement: Uint8Array }).statement))

test('bind: what the config does not ship is undefined to the compiler', () => {
  type Of = { schemaVersion: 1; name: 'x'; modules: { almanac: { contentHash: typeof word; committee: typeof word } } }
  assertType<IsEqual<Bound<Of>['almanac'], AlmanacHandle>>()
  assertType<IsEqual<Bound<Of>['atlas'], undefined>>()
  assertType<IsEqual<Bound<Of>['tickets'], undefined>>()
  assertType<IsEqual<Bound<Of>['lattices'], readonly []>>()
})

test('bind: refuses a component that is named by hashes alone, and a config without a home', async () => {
  const options = { chain: { rpcUrls: [node.url] } }
  const home = { chainId: 31_337, registry: `0x${'01'.repeat(20)}` as Hex }
  const hashes = { schemaVersion: 1, name: 'x', modules: { atlas: { contentHash: word, committee: word } } } as const
  await assert.rejects(bind(defineCoalition({ ...hashes, home }), options), NoComponentError)
  await assert.rejects(bind(defineCoalition(hashes), options), NoComponentError)
})

test('a certified read reaches to the newest commit, an anchored one to what the chain holds', async () => {
  const certified = await chronicle.read()
  assert.deepEqual(texts(certified.entries), ['{"n":"one"}', '{"n":"two"}', '{"n":"three"}'])
  assert.deepEqual([certified.basis.commit.commit.height, certified.basis.head], [2n, undefined])
  const anchored = await chronicle.read({ proof: 'anchored' })
  assert.deepEqual(texts(anchored.entries), ['{"n":"one"}', '{"n":"two"}'])
  assert.equal(anchored.basis.head?.logRoot, anchored.basis.commit.commit.logRoot)
  assert.deepEqual(texts((await chronicle.read({ start: -1n })).entries), ['{"n":"three"}'])
  assert.deepEqual(texts((await chronicle.read({ start: 1n, count: 1 })).entries), ['{"n":"two"}'])
  assert.deepEqual(texts((await chronicle.read({ start: 9n })).entries), [])
  await assert.rejects(chronicle.read({ start: 2n, proof: 'anchored' }), NotAnchoredError)
})

test('one honest log among silent and lying ones is enough, and a lie alone is refused', async () => {
  for (const [tamper, refusal] of [
    [forgeEntry('two', 'twi'), NotVerifiedError],
    [forgeCertificate, CertificateRefusedError],
    [
      (path: string, body: Uint8Array) => (path.startsWith('/tile/0') ? body.map((byte) => byte ^ 1) : body),
      NotVerifiedError,
    ],
  ] as const) {
    await withTamperedLog(url, tamper, async (liar) => {
      await assert.rejects((await bindTo(liar)).read(), refusal)
      await assert.rejects((await bindTo(liar)).read({ proof: 'anchored' }), NotVerifiedError)
      for (const proof of ['certified', 'anchored'] as const) {
        assert.equal(
          (await (await bindTo(NOBODY, liar, url)).read({ proof })).entries.length,
          proof === 'certified' ? 3 : 2,
        )
      }
    })
  }
})

test('a URL of another component is refused by name, by reads and by writers', async () => {
  const other = defineCoalition({
    ...{ schemaVersion: 1, name: 'bind.other', home: { chainId: 31_337, registry: `0x${'01'.repeat(20)}` } },
    modules: {
      chronicle: {
        members: members.map(({ signer }) => ({ signer })),
        parameters: { submitters: [submitter.signer], anchorEveryCommits: 1, anchorEverySeconds: 1000 },
      },
    },
  } as const)
  const options = { chain: { rpcUrls: [node.url] }, http: { chronicle: [url] }, redis: 'redis://127.0.0.1:1' }
  const { chronicle: bound } = await bind(other, options)
  await assert.rejects(bound.read(), OtherComponentError)
  await assert.rejects(bound.createWriter({ key: submitter }), OtherComponentError)
})

test('asks for what was not given to bind are refused by name', async () => {
  await assert.rejects(
    (await bindTo()).read(),
    (error) => error instanceof NotBoundError && error.message.includes('log'),
  )
  const key = submitter
  await assert.rejects(
    chronicle.createRecorder({ key }),
    (error) => error instanceof NotBoundError && error.message.includes('Redis'),
  )
  for (const count of [0, 1_025, 1.5]) await assert.rejects(chronicle.read({ count }), EntryRangeError)
})

test('what only a caller without types gives to a read is refused by name, before anything is asked', async () => {
  const unbound = await bindTo()
  for (const [parameter, given, said] of [
    ['start', 0, 'of type number'],
    ['start', '3', '"3"'],
    ['start', null, 'of type object'],
    ['proof', 'anchord', '"anchord"'],
    ['proof', '', '""'],
    ['proof', true, 'of type boolean'],
    ['end', 5n, 'of type bigint'],
  ] as const) {
    const parameters = { [parameter]: given } as never
    const expected = {
      code: 'INVALID_READ',
      message: `The parameter ${parameter} of a read is ${said}.`,
    }
    for (const read of [unbound.read, unbound.readEntries]) await assert.rejects(async () => read(parameters), expected)
  }
  await assert.rejects(async () => unbound.read({ count: '5' } as never), EntryRangeError)
  assert.throws(() => assertProof('anchord' as never), InvalidReadError)
  assertProof('anchored')
})
