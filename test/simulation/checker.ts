import { deriveListRoot, deriveMessageDigest, derivePrevoteDigest } from '../../committee/digest.ts'
import { decodeExtension, deriveExtensionDigest } from '../../committee/extension.ts'
import { encodeRecord } from '../../committee/record.ts'
import { isLater } from '../../committee/state.ts'
import type { Effect, Message, SignedMessage, WalRecord } from '../../committee/types.ts'
import { type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import {
  type Commit,
  deriveBodyDigest,
  deriveCommitDigest,
  derivePrecommitDigest,
  ZERO_BYTES32,
} from '../../protocol/wire/commit.ts'
import {
  deriveNextOfRotation,
  encodeGovernanceCommand,
  type GovernanceCommand,
} from '../../protocol/wire/governance.ts'
import { hashRetirementMarker } from '../../protocol/wire/next.ts'
import type { Disk } from './disk.ts'
import type { Keyring } from './keyring.ts'
import type { Approval } from './operators.ts'

/** The promises that are checked; a violation names the one it breaks. */
export const INVARIANTS = {
  agreement: 'no two honest members decide differently at a height',
  contradiction: 'an honest member never signs two things for one height, round and kind',
  durable: 'what a vote binds is durable before the vote leaves',
  executed: 'a member votes only for what it executed itself',
  lock: 'a member that precommitted a value prevotes another only where a quorum prevoted that one since',
  certificate: 'a decision’s certificate is a quorum’s precommits of one round, of its epoch’s committee',
  parent: 'a decision names the commit before it, and its block is what its body commits to',
  timestamp: 'decided time strictly increases, and is not ahead of every honest clock',
  extension: 'the extensions of a block are a quorum’s, for the commit before and of one round',
  epoch: 'an epoch ends with the commit that says so, and the next begins there',
  rotation: 'an epoch ends by a quorum of its members approving one thing, with that thing, and with the last of them',
  retired: 'of a retired component nothing more is decided, and no honest member signs anything more',
  once: 'a command is decided once',
  restored: 'a restored backup does not vote where f + 1 honest members hold a newer vote of its own',
  halt: 'a member whose store is whole does not stop for good',
  evidence: 'no honest member is accused',
  fault: 'no honest member throws',
  liveness: 'once the network heals, every honest member decides all there is to decide',
} as const
export type Invariant = keyof typeof INVARIANTS

export class Violation extends Error {
  readonly invariant: Invariant

  constructor(invariant: Invariant, detail: string) {
    super(`${invariant}: ${detail} (${INVARIANTS[invariant]})`)
    this.invariant = invariant
  }
}

type Decide = Extract<Effect, { kind: 'decide' }>
export type CheckerOptions = {
  keyring: Keyring
  /** Committees in the order of their epochs, ascending. */
  memberships: readonly (readonly Hex[])[]
  hasExtensions: boolean
  /** Promises that are not looked at, so that what else follows from a fault can be seen. */
  unchecked: readonly Invariant[]
}

/**
 * Holds a world to the promises of spec §5. Knows nothing of the core's rules: it looks at what leaves honest members and
 * what they decide, and does its own arithmetic.
 */
export class Checker {
  /** The one log, as far as any honest member decided it. */
  readonly log: { commit: Commit; commitDigest: Hex }[] = []
  readonly #options: CheckerOptions
  readonly #signed = new Map<string, Hex>()
  readonly #computed = new Set<string>()
  /** The last value that each honest member precommitted, and where. */
  readonly #locks = new Map<Hex, { height: bigint; round: number; commitDigest: Hex }>()
  readonly #decidedItems = new Set<string>()
  readonly #heard = new Map<Hex, Map<Hex, SignedMessage>>()
  /** By restored member: its newest stored message, and the peers that hold a newer one. */
  readonly #mustStop = new Map<Hex, Set<Hex>>()
  /** All approvals that were ever signed, by the bytes of their envelopes. */
  readonly #approvals = new Map<Hex, Approval>()
  /** The approvals that were decided in the current epoch, the last of each member. */
  readonly #standing = new Map<Hex, GovernanceCommand>()
  #retiredAt: bigint | undefined

  constructor(options: CheckerOptions) {
    this.#options = options
  }

  /** Whether the component's last word is decided. */
  get isRetired(): boolean {
    return this.#retiredAt !== undefined
  }

  #fail(invariant: Invariant, detail: string): void {
    if (!this.#options.unchecked.includes(invariant)) throw new Violation(invariant, detail)
  }

  /** A member's operator signed an approval. */
  onApproved(bytes: Uint8Array, approval: Approval): void {
    this.#approvals.set(toHex(bytes), approval)
  }

  /** An honest member computed a commit by executing a block. */
  onExecuted(signer: Hex, commitDigest: Hex): void {
    this.#computed.add(`${signer}/${commitDigest}`)
  }

  /** An honest member lets a signed message of its own leave. */
  onSigned(message: Message, { disk, isRestored }: { disk: Disk; isRestored: boolean }): void {
    const { signer, epoch, height, round, kind, commitDigest } = message
    const place = `${kind} ${height}/${round} of ${short(signer)}`
    if (this.#mustStop.has(signer)) this.#fail('restored', place)
    if (this.#retiredAt !== undefined && height > this.#retiredAt) this.#fail('retired', place)
    const isDurable = hasRecordOf(disk.read().wal, message)
    if (!isDurable) this.#fail('durable', place)
    if (kind !== 'proposal' && commitDigest !== null && !this.#computed.has(`${signer}/${commitDigest}`)) {
      this.#fail('executed', place)
    }
    // A restored member counts among the faulty: its contradictions are its operator's. It must stop where that is known.
    if (isRestored) return
    const key = `${signer}/${epoch}/${height}/${round}/${kind}`
    const content = contentOf(message)
    const before = this.#signed.get(key)
    if (before !== undefined && before !== content) this.#fail('contradiction', place)
    this.#signed.set(key, content)
    this.#checkLock(place, message)
  }

  #checkLock(place: string, { kind, component, signer, epoch, height, round, commitDigest }: Message): void {
    if (commitDigest === null || kind === 'proposal') return
    const lock = this.#locks.get(signer)
    if (kind === 'precommit') {
      if (lock === undefined || lock.height !== height || lock.round < round) {
        this.#locks.set(signer, { height, round, commitDigest })
      }
      return
    }
    if (lock === undefined || lock.height !== height || lock.commitDigest === commitDigest || lock.round >= round)
      return
    const { keyring, memberships } = this.#options
    const signers = memberships[Number(epoch)]!
    for (let since = lock.round; since < round; since++) {
      const digest = derivePrevoteDigest({ component, epoch, height, round: since, commitDigest })
      if (3 * signers.filter((voter) => keyring.hasSigned(digest, voter)).length > 2 * signers.length) return
    }
    this.#fail('lock', place)
  }

  /** An honest member decides. */
  onDecided(signer: Hex, decide: Decide): void {
    const { commit, commitDigest, proposal } = decide
    const { height } = commit
    const where = `height ${height} at ${short(signer)}`
    if (deriveCommitDigest(commit) !== commitDigest) this.#fail('certificate', `${where}: wrong digest`)
    if (this.#retiredAt !== undefined && height > this.#retiredAt) this.#fail('retired', where)
    const known = this.log[Number(height) - 1]
    const before = this.log[Number(height) - 2]
    if (height > BigInt(this.log.length + 1)) this.#fail('parent', `${where}: the heights before are open`)
    this.#checkEpoch(where, { commit, before: before?.commit })
    this.#checkCertificate(where, decide)
    this.#checkParent(where, { decide, parent: before?.commitDigest ?? ZERO_BYTES32 })
    if (before !== undefined && commit.timestampMs <= before.commit.timestampMs) {
      this.#fail('timestamp', `${where}: ${commit.timestampMs} after ${before.commit.timestampMs}`)
    }
    this.#checkExtensions(where, { decide, before })
    if (known !== undefined) {
      if (known.commitDigest !== commitDigest) this.#fail('agreement', where)
      return
    }
    for (const bytes of proposal.batch) {
      const item = toHex(bytes)
      if (this.#decidedItems.has(item)) this.#fail('once', where)
      this.#decidedItems.add(item)
    }
    this.#checkEnd(where, decide)
    this.log.push({ commit, commitDigest })
  }

  /** Time is not ahead of all honest clocks; asked apart, because only the world knows them. */
  checkClock(commit: Commit, latestMs: number): void {
    if (commit.timestampMs > BigInt(latestMs)) {
      this.#fail('timestamp', `height ${commit.height} is ${commit.timestampMs - BigInt(latestMs)} ms ahead`)
    }
  }

  #checkEpoch(where: string, { commit, before }: { commit: Commit; before: Commit | undefined }): void {
    const expected = before === undefined ? 0n : before.next === ZERO_BYTES32 ? before.epoch : before.epoch + 1n
    if (commit.epoch !== expected) this.#fail('epoch', `${where}: ${commit.epoch} for ${expected}`)
  }

  /** Counts approvals for itself: what they add up to is what the commit must say, and nothing may follow in its batch. */
  #checkEnd(where: string, { commit, proposal }: Decide): void {
    const { component, epoch, height } = commit
    const members = this.#options.memberships[Number(epoch)]!
    let next = ZERO_BYTES32
    for (const bytes of proposal.batch) {
      if (next !== ZERO_BYTES32) this.#fail('rotation', `${where}: something follows what ends its epoch`)
      const approval = this.#approvals.get(toHex(bytes))
      if (approval === undefined) continue
      const { signer, command } = approval
      const ended = command.kind === 'approveRotation' ? command.newEpoch - 1n : command.epoch
      if (ended !== epoch || !members.includes(signer)) {
        this.#fail('rotation', `${where}: ${short(signer)} has no say in epoch ${epoch}`)
      }
      this.#standing.set(signer, command)
      const count = [...this.#standing.values()].filter((other) => isSameCommand(other, command)).length
      if (3 * count <= 2 * members.length) continue
      if (command.kind === 'approveRotation') next = deriveNextOfRotation({ component, rotated: command })
      else {
        const { successor, reason } = command
        next = hashRetirementMarker({ component, successor, effectiveHeight: height, reason })
        this.#retiredAt = height
      }
      this.#standing.clear()
    }
    if (commit.next !== next) this.#fail('rotation', `${where}: it names ${commit.next} as next, approved is ${next}`)
    if (next !== ZERO_BYTES32 && !commit.anchor) this.#fail('rotation', `${where}: the chain is not to see it`)
  }

  #checkCertificate(where: string, { commit, commitDigest, certificate }: Decide): void {
    const { keyring, memberships } = this.#options
    const signers = memberships[Number(commit.epoch)]!
    const present = signers.filter((_, index) => (certificate.signers >> BigInt(index)) & 1n)
    // More than two thirds: the plainer twin of n − ⌊(n − 1) / 3⌋.
    if (3 * present.length <= 2 * signers.length) this.#fail('certificate', `${where}: ${present.length} signed`)
    const digest = derivePrecommitDigest({ commitDigest, round: certificate.round })
    present.forEach((signer, position) => {
      const signature: Hex = `0x${certificate.signatures.slice(2 + 128 * position, 130 + 128 * position)}`
      if (!keyring.isSigned({ digest, signature, signer })) {
        this.#fail('certificate', `${where}: not signed by ${short(signer)} in round ${certificate.round}`)
      }
    })
  }

  #checkParent(where: string, { decide, parent }: { decide: Decide; parent: Hex }): void {
    const { commit, proposal } = decide
    const body = deriveBodyDigest({
      parent,
      batchRoot: deriveListRoot(proposal.batch),
      extensionsRoot: deriveListRoot(proposal.extensions),
      machineVersion: 1,
    })
    if (proposal.parent !== parent) this.#fail('parent', `${where}: its block names another`)
    if (commit.body !== body) this.#fail('parent', `${where}: its body is of another block`)
  }

  #checkExtensions(
    where: string,
    { decide, before }: { decide: Decide; before: { commit: Commit; commitDigest: Hex } | undefined },
  ): void {
    const { keyring, memberships, hasExtensions } = this.#options
    const extensions = decide.proposal.extensions.map(decodeExtension)
    if (!hasExtensions || before === undefined) {
      if (extensions.length > 0) this.#fail('extension', `${where}: none were due`)
      return
    }
    const signers = memberships[Number(before.commit.epoch)]!
    const present = new Set(extensions.map(({ signer }) => signer))
    const isQuorum = 3 * present.size > 2 * signers.length && present.size === extensions.length
    if (!isQuorum) this.#fail('extension', `${where}: ${present.size} of ${signers.length}`)
    for (const extension of extensions) {
      const { height, commitDigest, round, signer, signature } = extension
      const isOfParent = height === before.commit.height && commitDigest === before.commitDigest
      if (!isOfParent || !signers.includes(signer)) this.#fail('extension', `${where}: of another commit`)
      if (round !== extensions[0]!.round)
        this.#fail('extension', `${where}: of rounds ${extensions[0]!.round} and ${round}`)
      if (!keyring.isSigned({ digest: deriveExtensionDigest(extension), signature, signer })) {
        this.#fail('extension', `${where}: not signed`)
      }
    }
  }

  /** An honest member took a vote of a peer in. */
  onHeard(receiver: Hex, message: SignedMessage): void {
    if (message.kind === 'proposal') return
    const heard = this.#heard.get(receiver) ?? new Map<Hex, SignedMessage>()
    const last = heard.get(message.signer)
    if (last === undefined || isLater(message, last)) heard.set(message.signer, message)
    this.#heard.set(receiver, heard)
  }

  /** An honest member forgot what is not on its disk: it was killed, or entered another epoch. */
  onForgotten(receiver: Hex, faultyMax: number): void {
    this.#heard.delete(receiver)
    for (const [restored, holders] of this.#mustStop) {
      holders.delete(receiver)
      if (holders.size <= faultyMax) this.#mustStop.delete(restored)
    }
  }

  /** A restored member starts: `records` are those of its store's height. */
  onRestored(
    signer: Hex,
    options: { records: readonly WalRecord[]; height: bigint; peers: readonly Hex[]; faultyMax: number },
  ): void {
    const { records, height, peers, faultyMax } = options
    const holders = peers.filter((peer) => {
      const newest = this.#heard.get(peer)?.get(signer)
      if (newest === undefined || newest.height < height) return false
      return newest.height > height || !records.some(({ message }) => contentOf(message) === contentOf(newest))
    })
    // A store that caught up before it was killed again may be past what was lost.
    if (holders.length > faultyMax) this.#mustStop.set(signer, new Set(holders))
    else this.#mustStop.delete(signer)
  }

  /** A restored member asks in another epoch now: whoever has no seat there is not asked, whatever it holds. */
  onAskedElsewhere(signer: Hex, { peers, faultyMax }: { peers: readonly Hex[]; faultyMax: number }): void {
    const holders = [...(this.#mustStop.get(signer) ?? [])].filter((holder) => peers.includes(holder))
    if (holders.length > faultyMax) this.#mustStop.set(signer, new Set(holders))
    else this.#mustStop.delete(signer)
  }

  onHalted(signer: Hex, { isRestored }: { isRestored: boolean }): void {
    if (!isRestored) this.#fail('halt', short(signer))
    this.#mustStop.delete(signer)
  }

  /** No honest member that was never restored contradicts itself, so none may be shown to. */
  onEvidence(a: SignedMessage, { isHonest }: { isHonest: boolean }): void {
    if (isHonest) this.#fail('evidence', `${a.kind} ${a.height}/${a.round} of ${short(a.signer)}`)
  }
}

const isSameCommand = (a: GovernanceCommand, b: GovernanceCommand): boolean =>
  isEqualBytes(encodeGovernanceCommand(a), encodeGovernanceCommand(b))

function contentOf(message: Message): Hex {
  const digest = deriveMessageDigest(message)
  if (message.kind !== 'precommit' || message.extension === null) return digest
  return `${digest}${toHex(keccak256(message.extension)).slice(2)}`
}

/** A record on disk begins with its message, so it is found without being decoded. */
function hasRecordOf(wal: readonly Uint8Array[], message: Message): boolean {
  // The message's own bytes follow the head of five words and its length; what is said of a lock may differ.
  const plain = encodeRecord({ message, lock: null })
  const end = plain.length - 2 * 32
  const content = plain.subarray(5 * 32, end)
  return wal.some((record) => isEqualBytes(record.subarray(5 * 32, end), content))
}

export const short = (signer: Hex): string => `member ${Number.parseInt(signer.slice(-4), 16) - 1}`
