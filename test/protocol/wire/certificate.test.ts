import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactSignatureToSignature, parseCompactSignature, recoverAddress } from 'viem'
import type { Hex } from '../../../protocol/bytes.ts'
import {
  type Certificate,
  CertificateRefusedError,
  createCertificate,
  verifyCertificate,
} from '../../../protocol/wire/certificate.ts'
import { deriveCommitDigest, derivePrecommitDigest } from '../../../protocol/wire/commit.ts'
import { quorumOf } from '../../../protocol/wire/committee.ts'
import { InvalidSignatureError, recoverSigner, signDigest } from '../../../protocol/wire/signature.ts'
import { createTestMembers, sampleCommit } from './members.ts'

const members = createTestMembers(4)
const signers = members.map((member) => member.signer)

function certify({ round = 0, who = [0, 1, 2], commit = sampleCommit } = {}): Certificate {
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round })
  const signatures = new Map(who.map((i) => [signers[i]!, signDigest(digest, members[i]!.secretKey)]))
  return createCertificate({ round, signers, signatures })
}

test('signDigest: recovers to its signer here and by viem', async () => {
  for (const { secretKey, signer } of createTestMembers(20)) {
    const digest = deriveCommitDigest(sampleCommit)
    const signature = signDigest(digest, secretKey)
    assert.equal(recoverSigner(digest, signature), signer)
    const byViem = compactSignatureToSignature(parseCompactSignature(signature))
    assert.equal((await recoverAddress({ hash: digest, signature: byViem })).toLowerCase(), signer)
  }
})

test('recoverSigner: refuses a signature that is not 64 bytes, is zero, or has a high s', () => {
  const digest = deriveCommitDigest(sampleCommit)
  const signature = signDigest(digest, members[0]!.secretKey)
  assert.throws(() => recoverSigner(digest, `${signature}00`), InvalidSignatureError)
  assert.throws(() => recoverSigner(digest, signature.slice(0, -2) as Hex), InvalidSignatureError)
  assert.throws(() => recoverSigner(digest, `0x${'00'.repeat(64)}`), InvalidSignatureError)
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  // The high bit of s carries the parity, so few high values of s can be written at all: this is the lowest.
  const highS: Hex = `${signature.slice(0, 66) as Hex}${((order >> 1n) + 1n).toString(16).padStart(64, '0')}`
  assert.throws(() => recoverSigner(digest, highS), InvalidSignatureError)
})

test('verifyCertificate: accepts exactly a quorum, whichever members it is', () => {
  for (const who of [
    [0, 1, 2],
    [0, 1, 3],
    [0, 2, 3],
    [1, 2, 3],
  ]) {
    const verified = verifyCertificate({ commit: sampleCommit, certificate: certify({ who }), signers })
    assert.equal(verified.digest, deriveCommitDigest(sampleCommit))
  }
})

test('createCertificate: refuses to gather less than a quorum', () => {
  assert.throws(() => certify({ who: [0, 1] }), RangeError)
})

const good = certify()
const refusals: [string, Certificate][] = [
  ['fewer signers than a quorum', { ...good, signers: 0b0011n, signatures: good.signatures.slice(0, 2 + 256) as Hex }],
  ['a signer beyond the committee', { ...good, signers: 0b10011n }],
  ['a negative bitmap', { ...good, signers: -1n }],
  ['a signature too few', { ...good, signatures: good.signatures.slice(0, -128) as Hex }],
  ['a signature too many', { ...good, signatures: `${good.signatures}${'11'.repeat(64)}` }],
  ['signatures of another round', { ...good, round: 1 }],
  ['signatures in another order', { ...good, signers: 0b1110n }],
  ['one signature thrice', { ...good, signatures: `0x${good.signatures.slice(2, 130).repeat(3)}` }],
]
for (const [name, certificate] of refusals)
  test(`verifyCertificate: refuses ${name}`, () => {
    assert.throws(() => verifyCertificate({ commit: sampleCommit, certificate, signers }), CertificateRefusedError)
  })

test('verifyCertificate: refuses another commit, whichever field differs', () => {
  const changed = [
    { ...sampleCommit, component: sampleCommit.body },
    { ...sampleCommit, epoch: 1n },
    { ...sampleCommit, height: 2n },
    { ...sampleCommit, body: sampleCommit.component },
    { ...sampleCommit, logSize: 4n },
    { ...sampleCommit, logRoot: sampleCommit.body },
    { ...sampleCommit, state: sampleCommit.body },
    { ...sampleCommit, timestampMs: 1n },
    { ...sampleCommit, anchor: false },
    { ...sampleCommit, next: sampleCommit.body },
  ]
  for (const commit of changed) {
    assert.throws(() => verifyCertificate({ commit, certificate: good, signers }), CertificateRefusedError)
  }
})

test('quorumOf: is n − ⌊(n−1)/3⌋, so that two quorums share an honest member', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 16, 31, 256].map(quorumOf), [1, 2, 3, 3, 4, 5, 5, 11, 21, 171])
  for (let n = 1; n <= 256; n++) assert.ok(2 * quorumOf(n) - n > Math.floor((n - 1) / 3))
})
