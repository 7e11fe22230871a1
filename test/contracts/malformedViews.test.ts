import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Abi, encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { findRevertData } from '../../chain/connectChain.ts'
import { componentRegistryAbi as abi } from '../../chain/generated/componentRegistry.ts'
import { toRefusal } from '../../chain/registryRefusal.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { deriveDetails } from '../../protocol/wire/committee.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { createRandom } from '../chain/random.ts'
import { digestOf } from '../chain/testLog.ts'

/**
 * Calls that no encoder makes. What the contracts decode themselves is refused by name; where Solidity's own decoder
 * refuses (an array that leaves calldata, a stray bit in a plain argument) the revert is empty. It never is a panic.
 */
const EMPTY = 'an empty revert'

let world: TestChain
let component: TestComponent
/** Honest calls to each function that takes more than plain words. */
let calls: Record<'register' | 'verifyCertificate' | 'verifyInclusion' | 'verifyStateItem', Hex>
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'malformed views' })
  await component.anchor({ leafCount: 9 })
  const { head, committee, key, log } = component
  const details = deriveDetails(committee.members)
  const { commit, certificate } = (await component.prepare()).certified
  const absentees = committee.signers.slice(3)
  const item = { typehash: digestOf('type'), key: digestOf('key'), value: digestOf('value') }
  const inclusion = [key, head, 4n, toHex(log.leaf(4)), log.proveInclusion(4, 9).map(toHex)]
  calls = {
    register: encode('register', [digestOf('id'), { signers: committee.signers, details }]),
    verifyCertificate: encode('verifyCertificate', [head, commit, { ...certificate, absentees, details }]),
    verifyInclusion: encode('verifyInclusion', inclusion),
    verifyStateItem: encode('verifyStateItem', [key, head, item, [digestOf('node')], 1_000_000n]),
  }
})

const encode = (functionName: string, args: readonly unknown[]): Hex =>
  encodeFunctionData({ abi: abi as Abi, functionName, args: [...args] })

/** `accepted`, or what the call was refused with; fails on a panic or an error of no name. */
async function outcomeOf(data: Hex): Promise<string> {
  try {
    await world.chain.client.call({ account: world.sender.address, to: COMPONENT_REGISTRY_ADDRESS, data })
    return 'accepted'
  } catch (error) {
    const reverted = findRevertData(error)
    if (reverted === undefined || reverted === '0x') return EMPTY
    const { errorName } = toRefusal(reverted)
    assert.ok(errorName, `reverted with ${reverted}`)
    return errorName
  }
}

/** `data` with a word of its arguments replaced; word 0 follows the selector. */
const withWord = (data: Hex, index: number, word: bigint): Hex =>
  `${data.slice(0, 10 + 64 * index)}${word.toString(16).padStart(64, '0')}${data.slice(10 + 64 * (index + 1))}` as Hex
const wordAt = (data: Hex, index: number): bigint => BigInt(`0x${data.slice(10 + 64 * index, 10 + 64 * (index + 1))}`)

test('the honest calls, which all the others damage', async () => {
  const outcomes = await Promise.all(Object.values(calls).map(outcomeOf))
  assert.deepEqual(outcomes, ['accepted', 'accepted', 'accepted', 'ComponentRegistryItemNotInState'])
})

for (const [field, place] of [
  ['epoch', 1],
  ['height', 2],
  ['logSize', 3],
  ['timestampMs', 6],
  ['anchoredAt', 8],
] as const)
  test(`HeadMalformed: ${field} with dirty padding, to the lowest and the highest bit of it`, async () => {
    for (const [name, offset] of [
      ['verifyCertificate', 0],
      ['verifyInclusion', 1],
      ['verifyStateItem', 1],
    ] as const) {
      for (const bit of [64n, 255n]) {
        const dirty = withWord(calls[name], offset + place, wordAt(calls[name], offset + place) | (1n << bit))
        assert.equal(await outcomeOf(dirty), 'HeadMalformed', `${name} ${bit}`)
      }
    }
  })

test('HeadMalformed: retired as neither 0 nor 1', async () => {
  for (const value of [2n, 3n, 2n ** 255n]) {
    assert.equal(await outcomeOf(withWord(calls.verifyCertificate, 9, value)), 'HeadMalformed')
    assert.equal(await outcomeOf(withWord(calls.verifyInclusion, 10, value)), 'HeadMalformed')
  }
})

test('CommitMalformed: a number of the commit with dirty padding, and anchor as neither 0 nor 1', async () => {
  const first = 10
  // Word 1 is the epoch, which is compared before the commit is hashed.
  for (const place of [2, 4, 7]) {
    for (const bit of [64n, 255n]) {
      const value = wordAt(calls.verifyCertificate, first + place) | (1n << bit)
      assert.equal(await outcomeOf(withWord(calls.verifyCertificate, first + place, value)), 'CommitMalformed')
    }
  }
  assert.equal(await outcomeOf(withWord(calls.verifyCertificate, first + 8, 2n)), 'CommitMalformed')
  const epoch = wordAt(calls.verifyCertificate, first + 1) | (1n << 64n)
  assert.equal(await outcomeOf(withWord(calls.verifyCertificate, first + 1, epoch)), EMPTY)
})

test('an address, index or round with dirty padding is refused by Solidity’s decoder, which says nothing', async () => {
  // The head's anchor index is read before the head is hashed, to find its place in the ring.
  assert.equal(await outcomeOf(withWord(calls.verifyCertificate, 7, 1n + 2n ** 64n)), EMPTY)
  const index = 11
  assert.equal(await outcomeOf(withWord(calls.verifyInclusion, index, 4n + 2n ** 64n)), EMPTY)
  const round = 21
  assert.equal(await outcomeOf(withWord(calls.verifyCertificate, round, 2n ** 32n)), EMPTY)
  const firstSigner = 5
  const signer = wordAt(calls.register, firstSigner)
  assert.equal(await outcomeOf(withWord(calls.register, firstSigner, signer | (1n << 160n))), EMPTY)
})

const MAX_UINT64 = 2n ** 64n - 1n

test('a proof too short or too long, and an index or a size near 2^64, are refused by name', async () => {
  const { key, head, log } = component
  const leaf = toHex(log.leaf(4))
  const proof = log.proveInclusion(4, 9).map(toHex)
  const include = (nodes: readonly Hex[], changes: { index?: bigint; logSize?: bigint } = {}) => {
    const shown = { ...head, logSize: changes.logSize ?? head.logSize }
    return outcomeOf(encode('verifyInclusion', [key, shown, changes.index ?? 4n, leaf, nodes]))
  }
  for (const nodes of [[], proof.slice(1), [...proof, digestOf('node')], Array<Hex>(65).fill(digestOf('node'))]) {
    assert.equal(await include(nodes), 'Rfc9162ProofLengthWrong', `${nodes.length} nodes`)
  }
  assert.equal(await include(proof, { index: MAX_UINT64 }), 'Rfc9162IndexOutOfRange')
  assert.equal(await include(proof, { logSize: MAX_UINT64 }), 'ComponentRegistryNotInWindow')
  const item = { typehash: digestOf('type'), key: digestOf('key'), value: digestOf('value') }
  assert.equal(await outcomeOf(encode('verifyStateItem', [key, head, item, [], 0n])), 'ComponentRegistryHeadTooOld')
  const patient = [key, head, item, [], 2n ** 256n - 1n]
  assert.equal(await outcomeOf(encode('verifyStateItem', patient)), 'ComponentRegistryItemNotInState')
})

test('a certificate of nobody, of 257 members, and a commit with numbers near 2^64 are refused by name', async () => {
  const { head, committee } = component
  const { commit, certificate } = (await component.prepare()).certified
  const own = { ...certificate, absentees: committee.signers.slice(3), details: deriveDetails(committee.members) }
  const certify = (changes: object, numbers: object = {}) =>
    outcomeOf(encode('verifyCertificate', [head, { ...commit, ...numbers }, { ...own, ...changes }]))
  assert.equal(await certify({}), 'accepted')
  const nobody = { signers: 0n, signatures: '0x', absentees: [] }
  assert.equal(await certify(nobody), 'CertificatesMemberCountUnusable')
  const absentees = Array.from({ length: 254 }, (_, index): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`)
  assert.equal(await certify({ absentees }), 'CertificatesMemberCountUnusable')
  for (const field of ['height', 'logSize', 'timestampMs']) {
    assert.equal(await certify({}, { [field]: MAX_UINT64 }), 'CertificatesOtherCommittee', field)
  }
  assert.equal(await certify({}, { epoch: MAX_UINT64 }), 'ComponentRegistryOtherEpoch')
})

test('words after the arguments change nothing', async () => {
  for (const data of Object.values(calls)) {
    const honest = await outcomeOf(data)
    assert.equal(await outcomeOf(`${data}${'ff'.repeat(64)}`), honest)
  }
})

test('any one word replaced, and any cut, is accepted as it was or refused, and never by a panic', async () => {
  const random = createRandom()
  const names = Object.keys(calls) as (keyof typeof calls)[]
  for (let run = 0; run < 400; run++) {
    const name = random.pick(names)
    const data = calls[name]
    const wordCount = Math.floor((data.length - 10) / 64)
    const value = random.pick([
      0n,
      1n,
      31n,
      32n,
      257n,
      2n ** 63n,
      2n ** 64n - 1n,
      2n ** 64n,
      2n ** 255n,
      2n ** 256n - 1n,
    ])
    const replaced = withWord(data, random.below(wordCount), value)
    // `outcomeOf` fails on a panic.
    await outcomeOf(replaced).catch((error: unknown) => assert.fail(`${name}, SEED=${random.seed}: ${String(error)}`))
    await outcomeOf(data.slice(0, 2 + 2 * random.below(data.length / 2)) as Hex)
  }
})
