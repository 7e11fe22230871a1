import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Authenticated, authenticate, type Refusal } from '../../committee/authenticate.ts'
import { encodeMessage } from '../../committee/codec.ts'
import { deriveProposer } from '../../committee/committee.ts'
import { encodeExtension } from '../../committee/extension.ts'
import { signMessage } from '../../committee/sign.ts'
import { type CommitteeState, createState, GENESIS_PARENT } from '../../committee/state.ts'
import { step } from '../../committee/step.ts'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import type { Message, Proposal, SignedMessage } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { createCertificate, verifyCertificate } from '../../protocol/wire/certificate.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import { COMPONENT, createBlock, createCommit, START_MS } from './fixture.ts'

const members = createTestMembers(4)
const signers = members.map(({ signer }) => signer)
const outsider = createTestMembers(5).find(({ signer }) => !signers.includes(signer))!
const secretKeys = new Map([...members, outsider].map(({ signer, secretKey }) => [signer, secretKey]))

function createStarted(hasExtensions = false): CommitteeState {
  const committee = {
    component: COMPONENT,
    epoch: 0n,
    signers,
    self: signers[0]!,
    hasExtensions,
    timeouts: DEFAULT_TIMEOUTS,
  }
  const state = createState({ committee, parent: GENESIS_PARENT })
  return step(state, { kind: 'started', nowMs: START_MS }).state
}

const sign = (message: Message, as: Hex = message.signer): SignedMessage =>
  signMessage(message, (digest) => signDigest(digest, secretKeys.get(as)!))

const block = createBlock('a')
const commit = createCommit(block)
const commitDigest = deriveCommitDigest(commit)
const position = { component: COMPONENT, epoch: 0n, height: 1n, round: 0, signer: signers[2]! }
const prevote: Message = { kind: 'prevote', ...position, commitDigest }
const precommit: Message = { kind: 'precommit', ...position, commitDigest, commit, extension: null }
const proposer = (round: number) => deriveProposer(signers, { height: 1n, round })
const proposal: Proposal = {
  kind: 'proposal',
  ...position,
  signer: proposer(0),
  ...block,
  validRound: -1,
  commitDigest,
  proof: null,
}

function reProposal(options: { voters?: number[]; voteRound?: number } = {}): Proposal {
  const { voters = [0, 1, 3], voteRound = 0 } = options
  const votes = voters.map((index) => sign({ ...prevote, round: voteRound, signer: signers[index]! } as Message))
  const signatures = new Map(votes.map(({ signer, signature }) => [signer, signature]))
  const proof = createCertificate({ round: 0, signers, signatures })
  return { ...proposal, round: 1, signer: proposer(1), validRound: 0, proof }
}

const refusalOf = (result: Authenticated): Refusal | 'none' => ('refused' in result ? result.refused : 'none')

for (const [name, message] of Object.entries({ prevote, precommit, proposal, reProposal: reProposal() }))
  test(`authenticate: lets a ${name} pass`, () => {
    const signed = sign(message)
    assert.deepEqual(authenticate(encodeMessage(signed), { state: createStarted() }), { message: signed })
  })

const word = (byte: string): Hex => `0x${byte.repeat(32)}`
const proven = reProposal()
const shortProof = { ...proven.proof!, signers: 0b11n, signatures: proven.proof!.signatures.slice(0, 258) as Hex }
const cases: [string, SignedMessage | Uint8Array, Refusal][] = [
  ['bytes of no form', new Uint8Array(256), 'malformed'],
  ['no bytes', new Uint8Array(0), 'malformed'],
  ['another component', sign({ ...prevote, component: word('11') }), 'component'],
  ['another epoch', sign({ ...prevote, epoch: 1n }), 'epoch'],
  ['a height that is decided', sign({ ...prevote, height: 0n }), 'heightBehind'],
  ['a height far ahead', sign({ ...prevote, height: 3n }), 'heightAhead'],
  ['a stranger', sign({ ...prevote, signer: outsider.signer }), 'membership'],
  ['a proposal out of turn', sign({ ...proposal, signer: proposer(1) }), 'proposer'],
  ['another’s signature', sign(prevote, signers[1]!), 'signature'],
  ['another’s signature on a precommit', sign(precommit, signers[1]!), 'signature'],
  ['another’s signature on a proposal', sign(proposal, signers[3]!), 'signature'],
  ['an extension where none is used', sign({ ...precommit, extension: new Uint8Array(1) } as Message), 'extension'],
  ['extensions where none are used', sign({ ...proposal, extensions: [new Uint8Array(1)] }), 'extension'],
  ['a proof that is short of a quorum', sign({ ...proven, proof: shortProof }), 'proof'],
  ['a proof of another round', sign(reProposal({ voteRound: 1 })), 'proof'],
  ['a proof for another value', sign({ ...proven, commitDigest: word('22') }), 'proof'],
  [
    'a proof with a signer beyond the committee',
    sign({ ...proven, proof: { ...proven.proof!, signers: 0b10011n } }),
    'proof',
  ],
]
for (const [name, given, expected] of cases)
  test(`authenticate: refuses ${name} as ${expected}`, () => {
    const bytes = given instanceof Uint8Array ? given : encodeMessage(given)
    assert.equal(refusalOf(authenticate(bytes, { state: createStarted() })), expected)
  })

for (const [name, given, expected] of cases.slice(
  0,
  cases.findIndex(([, , refusal]) => refusal === 'signature'),
))
  test(`authenticate: refuses ${name} before a signature is looked at`, () => {
    const bytes = given instanceof Uint8Array ? given : encodeMessage(given)
    const isSigned = () => assert.fail('looked at a signature')
    assert.equal(refusalOf(authenticate(bytes, { state: createStarted(), isSigned })), expected)
  })

test('authenticate: refuses a message whose content was changed after signing', () => {
  const signed = sign(prevote)
  for (const changes of [{ round: 1 }, { height: 2n }, { signer: signers[3]! }, { commitDigest: word('33') }]) {
    const bytes = encodeMessage({ ...signed, ...changes } as SignedMessage)
    assert.equal(refusalOf(authenticate(bytes, { state: createStarted() })), 'signature')
  }
})

test('authenticate: a precommit of an earlier height cannot be passed off as one of this', () => {
  const earlier = sign(precommit)
  const bytes = encodeMessage({ ...earlier, height: 2n } as SignedMessage)
  assert.equal(refusalOf(authenticate(bytes, { state: createStarted() })), 'signature')
})

test('authenticate: what was taken before is refused before its signature is looked at', () => {
  for (const message of [prevote, precommit, proposal, { ...prevote, height: 2n }] as Message[]) {
    const bytes = encodeMessage(sign(message))
    const state = createStarted()
    const first = authenticate(bytes, { state })
    assert.ok('message' in first)
    const next = step(state, { kind: 'messageReceived', message: first.message, nowMs: START_MS }).state
    const isSigned = () => assert.fail('looked at a signature')
    assert.equal(refusalOf(authenticate(bytes, { state: next, isSigned })), 'duplicate')
  }
})

test('authenticate: a refusal before the signature costs none', () => {
  const isSigned = () => assert.fail('looked at a signature')
  for (const [, given, expected] of cases) {
    if (['signature', 'extension', 'proof'].includes(expected)) continue
    const bytes = given instanceof Uint8Array ? given : encodeMessage(given)
    assert.equal(refusalOf(authenticate(bytes, { state: createStarted(), isSigned })), expected)
  }
})

test('authenticate: where extensions are used, a precommit without one or with another’s is refused', () => {
  const state = createStarted(true)
  assert.equal(refusalOf(authenticate(encodeMessage(sign(precommit)), { state })), 'extension')
  const extended = { ...precommit, extension: new Uint8Array([1]) } as Message
  assert.equal(refusalOf(authenticate(encodeMessage(sign(extended)), { state })), 'none')
  const { extensionSignature } = sign({ ...extended, round: 1 } as Message) as { extensionSignature: Hex }
  const moved = { ...sign(extended), extensionSignature } as SignedMessage
  assert.equal(refusalOf(authenticate(encodeMessage(moved), { state })), 'extension')
})

test('authenticate: where extensions are used, each in a proposal is signed by whom it names', () => {
  const state = createStarted(true)
  const signed = sign({ ...precommit, extension: new Uint8Array([1]) } as Message)
  const signature = (signed as { extensionSignature: Hex }).extensionSignature
  const extension = { ...position, commitDigest, data: new Uint8Array([1]), signature }
  const withExtension = (changes: object) =>
    encodeMessage(sign({ ...proposal, extensions: [encodeExtension({ ...extension, ...changes })] }))
  assert.equal(refusalOf(authenticate(withExtension({}), { state })), 'none')
  assert.equal(refusalOf(authenticate(withExtension({ data: new Uint8Array([2]) }), { state })), 'extension')
  assert.equal(refusalOf(authenticate(withExtension({ signer: signers[1]! }), { state })), 'extension')
  const garbage = encodeMessage(sign({ ...proposal, extensions: [new Uint8Array(5)] }))
  assert.equal(refusalOf(authenticate(garbage, { state })), 'malformed')
})

test('a decision’s certificate is one that contracts and clients verify', () => {
  let state = createStarted()
  const give = (message: Message) => {
    const result = authenticate(encodeMessage(sign(message)), { state })
    assert.ok('message' in result)
    const next = step(state, { kind: 'messageReceived', message: result.message, nowMs: START_MS })
    state = next.state
    return next.effects
  }
  const [execute] = give(proposal)
  assert.equal(execute?.kind, 'execute')
  const { proposalId } = execute
  state = step(state, { kind: 'executed', proposalId, result: commit, nowMs: START_MS }).state
  const effects = [1, 2, 3].flatMap((index) => give({ ...precommit, signer: signers[index]! } as Message))
  const decide = effects.find((effect) => effect.kind === 'decide')
  assert.ok(decide)
  const { certificate } = decide
  assert.equal(verifyCertificate({ commit: decide.commit, certificate, signers }).digest, commitDigest)
})
