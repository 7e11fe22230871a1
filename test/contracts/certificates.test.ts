import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Abi, decodeErrorResult } from 'viem'
import { findRevertData } from '../../chain/connectChain.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { deriveCommitteeHash, deriveDetails, quorumOf } from '../../protocol/wire/committee.ts'
import { packWords } from '../../protocol/wire/typedData.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createRandom } from '../chain/random.ts'
import { createTestCommittee, type TestCommittee } from '../chain/testCommittee.ts'
import { digestOf } from '../chain/testLog.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const DIGEST = digestOf('what is signed')

let world: TestChain
let harness: { address: Hex; abi: Abi }
before(async () => {
  world = await createTestChain()
  harness = await world.deploy('test/contracts/CertificatesHarness.sol')
})

type ViewCertificate = { round: number; signers: bigint; signatures: Hex; absentees: readonly Hex[]; details: Hex }

function certify(committee: TestCommittee, places: readonly number[], digest: Hex = DIGEST): ViewCertificate {
  const sorted = [...places].sort((a, b) => a - b)
  return {
    round: 0,
    signers: sorted.reduce((bitmap, place) => bitmap | (1n << BigInt(place)), 0n),
    signatures: `0x${sorted.map((place) => committee.sign(place, digest).slice(2)).join('')}`,
    absentees: committee.signers.filter((_, place) => !sorted.includes(place)),
    details: deriveDetails(committee.members),
  }
}

/** The name of the error that the library refuses with; undefined where it accepts. */
async function check(committeeHash: Hex, certificate: ViewCertificate, stale?: Hex): Promise<string | undefined> {
  const functionName = stale === undefined ? 'requireQuorum' : 'requireQuorumInDirtyMemory'
  const args = [committeeHash, DIGEST, certificate, ...(stale === undefined ? [] : [stale])]
  try {
    await world.chain.client.readContract({ ...harness, functionName, args })
    return undefined
  } catch (error) {
    const data = findRevertData(error)
    assert.ok(data, String(error))
    return decodeErrorResult({ abi: harness.abi, data }).errorName
  }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const four = createTestCommittee({ name: 'four', memberCount: 4 })

test('quorumOf: n − ⌊(n − 1)/3⌋ for every size, as protocol/wire has it', async () => {
  for (let n = 1; n <= 256; n++) {
    const quorum = await world.chain.client.readContract({ ...harness, functionName: 'quorumOf', args: [BigInt(n)] })
    assert.equal(quorum, BigInt(quorumOf(n)))
    assert.equal(quorum, BigInt(n - Math.floor((n - 1) / 3)))
  }
})

for (const memberCount of [1, 2, 3, 4, 5, 7, 8, 9, 16, 31])
  test(`requireQuorum: ${memberCount} members, at the quorum and one below`, async () => {
    const committee = createTestCommittee({ name: 'boundary', memberCount })
    const quorum = quorumOf(memberCount)
    const last = range(memberCount).slice(memberCount - quorum)
    assert.equal(await check(committee.hash, certify(committee, range(quorum))), undefined)
    assert.equal(await check(committee.hash, certify(committee, last)), undefined)
    assert.equal(await check(committee.hash, certify(committee, range(memberCount))), undefined)
    assert.equal(await check(committee.hash, certify(committee, range(quorum - 1))), 'CertificatesNoQuorum')
  })

test('requireQuorum: random quorums of random committees', async () => {
  const random = createRandom()
  for (let round = 0; round < 40; round++) {
    const memberCount = 1 + random.below(20)
    const committee = createTestCommittee({ name: `random ${random.below(5)}`, memberCount })
    const places = range(memberCount)
    while (places.length > quorumOf(memberCount)) places.splice(random.below(places.length), 1)
    const context = `${memberCount} ${places}, replay with SEED=${random.seed}`
    assert.equal(await check(committee.hash, certify(committee, places)), undefined, context)
  }
})

test('requireQuorum: 256 members, the most there can be', async () => {
  const committee = createTestCommittee({ name: 'most', memberCount: 256 })
  assert.equal(await check(committee.hash, certify(committee, range(171))), undefined)
})

test('CertificatesMemberCountUnusable: nobody, and 257 members', async () => {
  const nobody = { round: 0, signers: 0n, signatures: '0x', absentees: [], details: digestOf('') } as const
  assert.equal(await check(digestOf('any'), nobody), 'CertificatesMemberCountUnusable')
  const certificate = certify(four, range(4))
  const absentees = range(253).map((index): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`)
  assert.equal(await check(four.hash, { ...certificate, absentees }), 'CertificatesMemberCountUnusable')
})

test('CertificatesSignaturesSizeWrong: a byte too many and too few', async () => {
  const certificate = certify(four, [0, 1, 2])
  const { signatures } = certificate
  for (const changed of [`${signatures}00`, signatures.slice(0, -2)] as Hex[]) {
    assert.equal(await check(four.hash, { ...certificate, signatures: changed }), 'CertificatesSignaturesSizeWrong')
  }
})

test('CertificatesSignersMismatch: bits beyond the committee, a bit too many and too few', async () => {
  const certificate = certify(four, [0, 1, 2])
  for (const signers of [0b10111n, 0b0111n | (1n << 255n), 0b1111n, 0b0011n, 0n]) {
    assert.equal(await check(four.hash, { ...certificate, signers }), 'CertificatesSignersMismatch', `${signers}`)
  }
})

test('CertificatesOtherCommittee: the right count of bits at the wrong places', async () => {
  const certificate = certify(four, [0, 1, 2])
  assert.equal(await check(four.hash, { ...certificate, signers: 0b1011n }), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: signatures in another order, one twice, one of a stranger', async () => {
  const stranger = createTestCommittee({ name: 'stranger', memberCount: 1 })
  const sign = (place: number): string => four.sign(place, DIGEST).slice(2)
  for (const signatures of [
    [sign(1), sign(0), sign(2)],
    [sign(0), sign(0), sign(2)],
    [sign(0), sign(1), stranger.sign(0, DIGEST).slice(2)],
  ]) {
    const certificate: ViewCertificate = { ...certify(four, [0, 1, 2]), signatures: `0x${signatures.join('')}` }
    assert.equal(await check(four.hash, certificate), 'CertificatesOtherCommittee')
  }
})

test('CertificatesOtherCommittee: a signature over another digest, with every other one right', async () => {
  const sign = (place: number, digest: Hex): string => four.sign(place, digest).slice(2)
  const signatures: Hex = `0x${sign(0, DIGEST)}${sign(1, digestOf('else'))}${sign(2, DIGEST)}`
  assert.equal(await check(four.hash, { ...certify(four, [0, 1, 2]), signatures }), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: another absentee, none of the committee, zero, and other details', async () => {
  const certificate = certify(four, [0, 1, 2])
  for (const absentee of [four.signers[0]!, `0x${'11'.repeat(20)}`, `0x${'00'.repeat(20)}`] as Hex[]) {
    assert.equal(await check(four.hash, { ...certificate, absentees: [absentee] }), 'CertificatesOtherCommittee')
  }
  assert.equal(await check(four.hash, { ...certificate, details: digestOf('other') }), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: another committee’s certificate', async () => {
  const other = createTestCommittee({ name: 'other', memberCount: 4 })
  assert.equal(await check(four.hash, certify(other, [0, 1, 2])), 'CertificatesOtherCommittee')
})

/**
 * A committee of one whose member "signed" with a given s: any r and s recover to some key, and that key's address is
 * the member. EIP-2098 has 255 bits for s, so the high ones that it can write are few, and no key signs one by chance.
 */
function createCommitteeOf(s: bigint): { hash: Hex; certificate: ViewCertificate } {
  const r = secp256k1.Point.BASE.multiply(7n).toAffine().x
  const publicKey = new secp256k1.Signature(r, s, 0).recoverPublicKey(fromHex(DIGEST)).toBytes(false)
  const members = [{ signer: toHex(keccak256(publicKey.subarray(1)).subarray(12)) }]
  const signatures = toHex(packWords([r, s]))
  const certificate = { round: 0, signers: 1n, signatures, absentees: [], details: deriveDetails(members) }
  return { hash: deriveCommitteeHash(members), certificate }
}

test('CertificatesHighS: from half the order on, up to the greatest s that EIP-2098 can write', async () => {
  const lowest = createCommitteeOf(ORDER / 2n)
  assert.equal(await check(lowest.hash, lowest.certificate), undefined)
  for (const s of [ORDER / 2n + 1n, 2n ** 255n - 1n]) {
    const { hash, certificate } = createCommitteeOf(s)
    assert.equal(await check(hash, certificate), 'CertificatesHighS')
  }
})

test('CertificatesOtherCommittee: the other parity, r or s of zero, and s of the order or more', async () => {
  const honest = four.sign(1, DIGEST)
  const [r, vs] = [honest.slice(2, 66), BigInt(`0x${honest.slice(66)}`)]
  const word = (value: bigint): string => value.toString(16).padStart(64, '0')
  for (const changed of [r + word(vs ^ (1n << 255n)), word(0n) + word(vs), r + word(0n), word(ORDER) + word(vs)]) {
    const signatures: Hex = `0x${four.sign(0, DIGEST).slice(2)}${changed}${four.sign(2, DIGEST).slice(2)}`
    assert.equal(await check(four.hash, { ...certify(four, [0, 1, 2]), signatures }), 'CertificatesOtherCommittee')
  }
})

/** The hash of a list that no registration takes, but that a rotation could name. */
const hashList = (signers: readonly Hex[], details: Hex = digestOf('details')): Hex =>
  toHex(keccak256(packWords([toHex(keccak256(packWords([32, signers.length, ...signers]))), details])))

test('CertificatesUnordered: a committee with the zero address, whose "signature" recovers to nothing', async () => {
  const zero: Hex = `0x${'00'.repeat(20)}`
  const nothing = { round: 0, signers: 1n, signatures: `0x${'00'.repeat(64)}`, details: digestOf('details') } as const
  assert.equal(await check(hashList([zero]), { ...nothing, absentees: [] }), 'CertificatesUnordered')
  const signatures: Hex = `0x${[0, 1, 2].map((place) => four.sign(place, DIGEST).slice(2)).join('')}`
  const hash = hashList([zero, ...four.signers.slice(0, 3)])
  const absent = { ...nothing, signers: 0b1110n, signatures, absentees: [zero] }
  assert.equal(await check(hash, absent), 'CertificatesUnordered')
})

test('CertificatesUnordered: a committee with a member twice, or out of order', async () => {
  const sign = (place: number): string => four.sign(place, DIGEST).slice(2)
  const certificate = { round: 0, details: digestOf('details'), absentees: [] }
  for (const places of [
    [0, 0],
    [1, 0],
  ]) {
    const signatures: Hex = `0x${places.map(sign).join('')}`
    const hash = hashList(places.map((place) => four.signers[place]!))
    assert.equal(await check(hash, { ...certificate, signers: 0b11n, signatures }), 'CertificatesUnordered')
  }
  const hash = hashList([four.signers[2]!, four.signers[0]!, four.signers[1]!, four.signers[3]!])
  const signatures: Hex = `0x${[0, 1, 3].map(sign).join('')}`
  const absentees = [four.signers[2]!]
  assert.equal(await check(hash, { ...certificate, signers: 0b1110n, signatures, absentees }), 'CertificatesUnordered')
})

test('a failed recovery never leaves an older word of memory as the signer', async () => {
  const stale: Hex = `0x${'00'.repeat(12)}${four.signers[1]!.slice(2)}`
  const honest = certify(four, [0, 1, 2])
  assert.equal(await check(four.hash, honest, stale), undefined)
  const nothing = '00'.repeat(64)
  const signatures: Hex = `0x${four.sign(0, DIGEST).slice(2)}${nothing}${four.sign(2, DIGEST).slice(2)}`
  assert.equal(await check(four.hash, { ...honest, signatures }, stale), 'CertificatesOtherCommittee')
})

test('hashCommittee: as protocol/wire has it; refuses nobody, 257 members, zero, a repeat and disorder', async () => {
  const hash = async (signers: readonly Hex[]): Promise<unknown> => {
    try {
      const args = [{ signers, details: deriveDetails(four.members) }]
      return await world.chain.client.readContract({ ...harness, functionName: 'hashCommittee', args })
    } catch (error) {
      return decodeErrorResult({ abi: harness.abi, data: findRevertData(error)! }).errorName
    }
  }
  const zero: Hex = `0x${'00'.repeat(20)}`
  const [a, b, c] = four.signers as [Hex, Hex, Hex]
  assert.equal(await hash(four.signers), four.hash)
  assert.equal(await hash([]), 'CertificatesMemberCountUnusable')
  const many = range(257).map((index): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`)
  assert.equal(await hash(many), 'CertificatesMemberCountUnusable')
  // The first of them is the lowest address that there is.
  assert.equal(await hash(many.slice(0, 256)), hashList(many.slice(0, 256), deriveDetails(four.members)))
  for (const signers of [[zero], [zero, a], [a, a], [b, a], [a, c, b]]) {
    assert.equal(await hash(signers), 'CertificatesUnordered')
  }
})
