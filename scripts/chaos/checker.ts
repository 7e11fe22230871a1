import { createHash } from 'node:crypto'
import {
  bytesToHex,
  compactSignatureToSignature,
  encodeAbiParameters,
  hashStruct,
  hashTypedData,
  keccak256,
  parseAbiParameters,
  parseCompactSignature,
  recoverAddress,
  serializeSignature,
  stringToHex,
} from 'viem'
import type { Head } from '../../chain/head.ts'
import { decodeMessage } from '../../committee/codec.ts'
import { decodeRecord } from '../../committee/record.ts'
import type { Message, SignedMessage } from '../../committee/types.ts'
import { decodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import type { Commit } from '../../protocol/wire/commit.ts'
import { type CommitRecord, decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { decodeEnvelope } from '../../protocol/wire/envelope.ts'
import { isGovernanceCommand } from '../../protocol/wire/governance.ts'
import { createEpochTally, type EpochEnd, type EpochTally } from './epochTally.ts'
import type { Acknowledged } from './load.ts'
import type { StoreContent } from './storeContent.ts'

/**
 * Says whether a committee kept its promises, from what its members stored, what clients were told, what was heard on the
 * stream and what the chain holds. Of the committee's code it takes the decoders alone: digests and signatures are viem's,
 * trees are hashed here.
 */

type Hex = `0x${string}`

/** What can be wrong, and which promise that breaks. */
export type Finding = { kind: 'lost' | 'contradiction' | 'unproven'; what: string }

export type Evidence = {
  component: Hex
  /** The genesis committee, strictly ascending. */
  signers: readonly Hex[]
  stores: readonly StoreContent[]
  acknowledged: readonly Acknowledged[]
  /** Encoded consensus messages from the stream, forged ones among them. */
  observed: readonly Uint8Array[]
  /** Every head that the registry holds of the component, its genesis first. */
  heads: readonly Head[]
}

export type Verdict = {
  findings: readonly Finding[]
  /** Heights that every member decided. */
  heights: number
  entries: number
  /** Pairs of a signature and what it signs that were checked. */
  signaturesChecked: number
  anchorsChecked: number
}

const DOMAIN = { name: 'coalition', version: '1' } as const
const TYPES = {
  Commit: [
    { name: 'component', type: 'bytes32' },
    { name: 'epoch', type: 'uint64' },
    { name: 'height', type: 'uint64' },
    { name: 'body', type: 'bytes32' },
    { name: 'logSize', type: 'uint64' },
    { name: 'logRoot', type: 'bytes32' },
    { name: 'state', type: 'bytes32' },
    { name: 'timestampMs', type: 'uint64' },
    { name: 'anchor', type: 'bool' },
    { name: 'next', type: 'bytes32' },
  ],
  Precommit: [
    { name: 'commit', type: 'Commit' },
    { name: 'round', type: 'uint32' },
  ],
  Position: [
    { name: 'component', type: 'bytes32' },
    { name: 'epoch', type: 'uint64' },
    { name: 'height', type: 'uint64' },
    { name: 'round', type: 'uint32' },
  ],
  Block: [
    { name: 'component', type: 'bytes32' },
    { name: 'epoch', type: 'uint64' },
    { name: 'height', type: 'uint64' },
    { name: 'parent', type: 'bytes32' },
    { name: 'timestampMs', type: 'uint64' },
    { name: 'batchRoot', type: 'bytes32' },
    { name: 'extensionsRoot', type: 'bytes32' },
  ],
  Envelope: [
    { name: 'component', type: 'bytes32' },
    { name: 'submitter', type: 'address' },
    { name: 'sequence', type: 'uint64' },
    { name: 'commands', type: 'bytes[]' },
  ],
} as const
const BODY = parseAbiParameters('bytes32 parent, bytes32 batchRoot, bytes32 extensionsRoot, uint32 machineVersion')
const STATEMENT = parseAbiParameters('bytes32, address, uint64, uint32, bytes')
const STATEMENT_TYPEHASH = keccak256(
  stringToHex('OperatorStatement(address submitter,uint64 sequence,uint32 index,bytes statement)'),
)
const ZERO = `0x${'00'.repeat(32)}` as const

export async function check(evidence: Evidence): Promise<Verdict> {
  const findings: Finding[] = []
  const find = (kind: Finding['kind'], what: string): void => {
    findings.push({ kind, what })
  }
  const signatures = createSignatureCheck()
  /** By the store that has most heights. */
  let longest: { tally: EpochTally; heights: number } | undefined
  for (const store of evidence.stores) {
    if (store.halted !== null) find('contradiction', `${store.name} stopped for good: ${store.halted}`)
    if (store.evidenceCount > 0) find('contradiction', `${store.name} holds evidence of ${store.evidenceCount}`)
    const tally = await checkLog(store, evidence, { find, signatures })
    const heights = store.decisions.length
    if (longest === undefined || heights > longest.heights) longest = { tally, heights }
    checkAcknowledged(store, evidence.acknowledged, find)
  }
  compareStores(evidence.stores, find)
  const tally = longest?.tally ?? createEpochTally(evidence)
  await checkVotes(evidence, { tally, find, signatures })
  checkHeads(evidence, { tally, find })
  return {
    findings,
    heights: Math.min(...evidence.stores.map(({ decisions }) => decisions.length)),
    entries: Math.min(...evidence.stores.map(({ entries }) => entries.length)),
    signaturesChecked: signatures.count(),
    anchorsChecked: evidence.heads.length,
  }
}

type Find = (kind: Finding['kind'], what: string) => void
type Tools = { find: Find; signatures: ReturnType<typeof createSignatureCheck> }

/**
 * Every height of one member: chained, certified by a quorum of its epoch's committee, its batch and its entries those that
 * the commit names. Returns what the decided approvals come to.
 */
async function checkLog(store: StoreContent, { component, signers }: Evidence, tools: Tools): Promise<EpochTally> {
  const { find } = tools
  const tree = createTree()
  const tally = createEpochTally({ component, signers })
  const last = new Map<string, bigint>()
  let parent: Hex = ZERO
  let timestampMs = 0n
  for (const [index, decision] of store.decisions.entries()) {
    const where = `${store.name}, height ${index + 1}`
    let record: CommitRecord
    try {
      record = decodeCommitRecord(decision.record)
    } catch (error) {
      find('unproven', `${where}: ${(error as Error).message}`)
      return tally
    }
    const { commit, body } = record
    const epoch = BigInt(tally.committees.length - 1)
    if (tally.retiredAt() !== undefined) find('contradiction', `${where}: the component is retired`)
    if (commit.epoch !== epoch) find('contradiction', `${where}: it is of epoch ${commit.epoch}, not ${epoch}`)
    if (commit.component !== component || commit.height !== BigInt(index + 1)) find('unproven', `${where}: misplaced`)
    if (body.parent !== parent) find('contradiction', `${where}: its parent is not the commit before it`)
    if (commit.timestampMs <= timestampMs) find('unproven', `${where}: time does not advance`)
    const words = [body.parent, body.batchRoot, body.extensionsRoot, body.machineVersion] as const
    if (keccak256(encodeAbiParameters(BODY, words)) !== commit.body) find('unproven', `${where}: another body`)
    if (listRoot(decision.envelopes.map(({ bytes }) => bytes)) !== body.batchRoot) {
      find('unproven', `${where}: its envelopes are not those of the commit`)
    }
    await checkCertificate(record, { signers: tally.newest().signers, where, ...tools })
    const expected: Hex[] = []
    let end: EpochEnd | undefined
    for (const { digest, bytes } of decision.envelopes) {
      const envelope = decodeEnvelope(bytes)
      const { submitter, sequence, commands } = envelope
      if (end !== undefined) find('contradiction', `${where}: an envelope follows what ends its epoch`)
      const message = {
        component: envelope.component,
        submitter,
        sequence,
        commands: commands.map((c) => bytesToHex(c)),
      }
      const hash = hashTypedData({ domain: DOMAIN, types: TYPES, primaryType: 'Envelope', message })
      if (hash !== digest) find('unproven', `${where}: an envelope stands under another name`)
      if (!(await tools.signatures.isSigned({ hash, signature: envelope.signature, signer: submitter }))) {
        find('unproven', `${where}: an envelope is not its submitter's`)
      }
      if (sequence !== (last.get(submitter) ?? 0n) + 1n) {
        find('contradiction', `${where}: sequence ${sequence} of ${submitter} after ${last.get(submitter) ?? 0n}`)
      }
      last.set(submitter, sequence)
      commands.forEach((command, place) => {
        if (isGovernanceCommand(command)) {
          if (!tally.mayApprove(submitter, command)) find('contradiction', `${where}: ${submitter} has no say in it`)
          else end = tally.approve({ submitter, payload: command, height: commit.height })
          return
        }
        const decoded = decodeChronicleCommand(command)
        if (decoded.kind !== 'recordStatement') return
        const statement = bytesToHex(decoded.statement)
        expected.push(encodeAbiParameters(STATEMENT, [STATEMENT_TYPEHASH, submitter, sequence, place, statement]))
      })
    }
    if (commit.next !== (end?.next ?? ZERO)) find('contradiction', `${where}: its next is not what a quorum approved`)
    if (end !== undefined) expected.push(end.entry)
    const entries = store.entries.slice(tree.size(), Number(commit.logSize))
    if (entries.length !== expected.length || entries.some((entry, at) => bytesToHex(entry) !== expected[at])) {
      find('lost', `${where}: its entries are not what its commands say`)
    }
    for (const entry of entries) tree.append(entry)
    if (BigInt(tree.size()) !== commit.logSize || tree.root() !== commit.logRoot) {
      find('unproven', `${where}: its root is not that of the entries`)
    }
    parent = digestOf(commit)
    timestampMs = commit.timestampMs
  }
  if (tree.size() !== store.entries.length) find('unproven', `${store.name} has entries of no commit`)
  return tally
}

async function checkCertificate(
  { commit, certificate }: CommitRecord,
  { signers, where, find, signatures }: Tools & { signers: readonly Hex[]; where: string },
): Promise<void> {
  const present = signers.filter((_, index) => (certificate.signers >> BigInt(index)) & 1n)
  const quorum = signers.length - Math.floor((signers.length - 1) / 3)
  if (present.length < quorum || certificate.signers >> BigInt(signers.length) !== 0n) {
    find('unproven', `${where}: its certificate is no quorum's`)
  }
  const hash = precommitHash(commit, certificate.round)
  for (const [position, signer] of present.entries()) {
    const from = 2 + 128 * position
    const signature: Hex = `0x${certificate.signatures.slice(from, from + 128)}`
    if (!(await signatures.isSigned({ hash, signature, signer }))) {
      find('unproven', `${where}: ${signer} did not sign its certificate`)
    }
  }
}

/** What a client was told stands where it was told, and nowhere else. */
function checkAcknowledged(store: StoreContent, acknowledged: readonly Acknowledged[], find: Find): void {
  const places = new Map<string, string[]>()
  store.decisions.forEach(({ envelopes }, index) => {
    envelopes.forEach(({ bytes }, position) => {
      const { submitter, sequence } = decodeEnvelope(bytes)
      const name = `${submitter}/${sequence}`
      places.set(name, [...(places.get(name) ?? []), `${index + 1}/${position}`])
    })
  })
  for (const { submitter, sequence, envelopeDigest, height, position } of acknowledged) {
    const found = places.get(`${submitter}/${sequence}`) ?? []
    const what = `sequence ${sequence} of ${submitter}, acknowledged at ${height}/${position}`
    if (found.length === 0) find('lost', `${store.name}: ${what}, is not there`)
    else if (found.length > 1) find('contradiction', `${store.name}: ${what}, is there ${found.length} times`)
    else if (found[0] !== `${height}/${position}`) find('contradiction', `${store.name}: ${what}, is at ${found[0]}`)
    else if (store.decisions[Number(height) - 1]!.envelopes[position]!.digest !== envelopeDigest) {
      find('contradiction', `${store.name}: ${what}, is another envelope there`)
    }
  }
}

/** One commit a height, at every member, and no member without the others' heights. */
function compareStores(stores: readonly StoreContent[], find: Find): void {
  const [first, ...others] = stores.map(({ name, decisions }) => ({
    name,
    digests: decisions.map(({ record }) => digestOf(decodeCommitRecord(record).commit)),
  }))
  if (first === undefined) return
  for (const { name, digests } of others) {
    if (digests.length !== first.digests.length) {
      find('lost', `${name} has ${digests.length} heights and ${first.name} ${first.digests.length}`)
    }
    digests.forEach((digest, index) => {
      if (first.digests[index] !== undefined && first.digests[index] !== digest) {
        find('contradiction', `${name} and ${first.name} decided differently at height ${index + 1}`)
      }
    })
  }
}

/** No member signed two things for one height, round and kind, on the stream or in its store. */
async function checkVotes(
  { component, stores, observed }: Evidence,
  { tally, find, signatures }: Tools & { tally: EpochTally },
): Promise<void> {
  type Vote = { hash: Hex; signature: Hex | null; signer: Hex }
  const votes = new Map<string, Map<Hex, Vote[]>>()
  const note = (message: Message, signature: Hex | null): void => {
    const { signer, epoch, height, round, kind } = message
    if (message.component !== component || !tally.committees[Number(epoch)]?.signers.includes(signer)) return
    const place = `${kind} of ${signer} at epoch ${epoch}, height ${height}, round ${round}`
    const byHash = votes.get(place) ?? new Map<Hex, Vote[]>()
    const hash = messageHash(message)
    byHash.set(hash, [...(byHash.get(hash) ?? []), { hash, signature, signer }])
    votes.set(place, byHash)
  }
  for (const bytes of observed) {
    let message: SignedMessage
    try {
      message = decodeMessage(bytes)
    } catch {
      continue // forged
    }
    note(message, message.signature)
  }
  for (const store of stores) for (const record of store.wal) note(decodeRecord(record).message, null)
  for (const [place, byHash] of votes) {
    if (byHash.size < 2) continue
    let signedCount = 0
    for (const each of byHash.values()) {
      // What a store says that it is about to sign is as good as signed.
      const isSigned = await Promise.all(
        each.map(({ signature, ...vote }) => signature === null || signatures.isSigned({ ...vote, signature })),
      )
      if (isSigned.includes(true)) signedCount += 1
    }
    if (signedCount > 1) find('contradiction', `${place}: ${signedCount} different ones are signed`)
  }
}

/** The chain holds nothing but commits of the log, in its order. */
function checkHeads({ stores, heads }: Evidence, { tally, find }: { tally: EpochTally; find: Find }): void {
  const decisions = stores[0]?.decisions ?? []
  let before = 0n
  for (const head of heads.slice(1)) {
    const record = decisions[Number(head.height) - 1]?.record
    const commit = record === undefined ? undefined : decodeCommitRecord(record).commit
    // A head names who may speak next: after a rotation that is the new committee.
    const isRetirement = tally.retiredAt() === head.height
    const isRotation = commit !== undefined && commit.next !== ZERO && !isRetirement
    const committeeHash = tally.committees[Number(head.epoch)]?.committeeHash ?? head.committeeHash
    const isOfLog =
      commit?.anchor &&
      commit.epoch + (isRotation ? 1n : 0n) === head.epoch &&
      committeeHash === head.committeeHash &&
      head.retired === isRetirement &&
      commit.logSize === head.logSize &&
      commit.logRoot === head.logRoot &&
      commit.state === head.state &&
      commit.timestampMs === head.timestampMs
    if (!isOfLog) find('contradiction', `the chain holds a head of height ${head.height} that is not the log's`)
    if (head.height <= before) find('contradiction', `the chain's head of height ${head.height} follows ${before}`)
    before = head.height
  }
}

const digestOf = (commit: Commit): Hex => hashStruct({ data: { ...commit }, types: TYPES, primaryType: 'Commit' })

const precommitHash = (commit: Commit, round: number): Hex =>
  hashTypedData({ domain: DOMAIN, types: TYPES, primaryType: 'Precommit', message: { commit, round } })

/** What `message` is signed by: EIP-712 as viem has it, the types as the design names them. */
function messageHash(message: Message): Hex {
  const { component, epoch, height, round } = message
  const position = { component, epoch, height, round }
  if (message.kind === 'proposal') {
    const { parent, timestampMs, batch, extensions, validRound, commitDigest } = message
    const [batchRoot, extensionsRoot] = [listRoot(batch), listRoot(extensions)]
    const block = { component, epoch, height, parent, timestampMs, batchRoot, extensionsRoot }
    const types = {
      Block: TYPES.Block,
      Proposal: [
        { name: 'block', type: 'Block' },
        { name: 'round', type: 'uint32' },
        { name: 'validRoundOffset', type: 'uint32' },
        { name: 'commitDigest', type: 'bytes32' },
      ],
    } as const
    const proposal = { block, round, validRoundOffset: validRound + 1, commitDigest }
    return hashTypedData({ domain: DOMAIN, types, primaryType: 'Proposal', message: proposal })
  }
  if (message.kind === 'precommit' && message.commit !== null) return precommitHash(message.commit, round)
  const name = message.kind === 'prevote' ? 'Prevote' : 'Precommit'
  if (message.commitDigest === null) {
    return hashTypedData({
      domain: DOMAIN,
      types: { [`Nil${name}`]: TYPES.Position },
      primaryType: `Nil${name}`,
      message: position,
    })
  }
  const types = { Prevote: [...TYPES.Position, { name: 'commitDigest', type: 'bytes32' }] } as const
  const vote = { ...position, commitDigest: message.commitDigest }
  return hashTypedData({ domain: DOMAIN, types, primaryType: 'Prevote', message: vote })
}

/** The same signature stands in every member's certificate: each is checked once. */
function createSignatureCheck() {
  const known = new Map<string, Promise<boolean>>()
  const recover = async (hash: Hex, signature: Hex, signer: Hex): Promise<boolean> => {
    try {
      const full = serializeSignature(compactSignatureToSignature(parseCompactSignature(signature)))
      return (await recoverAddress({ hash, signature: full })).toLowerCase() === signer
    } catch {
      return false
    }
  }
  return {
    count: () => known.size,
    isSigned({ hash, signature, signer }: { hash: Hex; signature: Hex; signer: Hex }): Promise<boolean> {
      const name = `${hash}${signature}${signer}`
      const found = known.get(name) ?? recover(hash, signature, signer)
      known.set(name, found)
      return found
    },
  }
}

const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** An RFC 9162 tree that grows: the roots of its complete subtrees, largest first. */
function createTree() {
  const peaks: { height: number; hash: Uint8Array }[] = []
  let size = 0
  return {
    size: () => size,
    append(entry: Uint8Array): void {
      size += 1
      let node = { height: 0, hash: sha256(Uint8Array.of(0), entry) }
      while (peaks.at(-1)?.height === node.height) {
        node = { height: node.height + 1, hash: sha256(Uint8Array.of(1), peaks.pop()!.hash, node.hash) }
      }
      peaks.push(node)
    },
    root(): Hex {
      const hashes = peaks.map(({ hash }) => hash)
      if (hashes.length === 0) return bytesToHex(sha256())
      return bytesToHex(hashes.reduceRight((right, left) => sha256(Uint8Array.of(1), left, right)))
    },
  }
}

function listRoot(entries: readonly Uint8Array[]): Hex {
  const tree = createTree()
  for (const entry of entries) tree.append(entry)
  return tree.root()
}
