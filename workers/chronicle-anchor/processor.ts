import { type ComponentRegistry, ComponentUnknownError } from '../../chain/componentRegistry.ts'
import type { Follower } from '../../chain/createFollower.ts'
import type { Sender } from '../../chain/createSender.ts'
import type { Head } from '../../chain/head.ts'
import { SenderBusyError, type SenderLease } from '../../chain/senderLease.ts'
import type { LogReader } from '../../client/logReader.ts'
import type { Component } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { Member } from '../../protocol/wire/committee.ts'
import type { Logger } from '../runtime/logger.ts'
import { AnchorLagsError } from './alarms.ts'
import { BEGINNING, type Candidate, proveGrowth, readCandidates, readCommittee } from './candidates.ts'

/** What one tick came to. */
export type AnchorResult =
  | { status: 'nothingMarked' }
  | { status: 'alreadyAnchored'; logSize: string; confirmedLogSize: string }
  | { status: 'anchored'; logSize: string; height: string; txHash: Hex; gasUsed: string }
  /** Another process is at it, or was first. */
  | { status: 'leftToAnother' }
  /** The component's last word is on chain: there will never be anything to anchor again. */
  | { status: 'retired'; logSize: string; confirmedLogSize: string }

export type ProcessorDependencies = {
  registry: ComponentRegistry
  sender: Sender
  follower: Follower
  /** Held while this process anchors, so that others do not pay for the same; it should not wait. */
  lease: SenderLease
  /** Logs of members: any honest one is enough, and none is believed. */
  logs: readonly LogReader[]
  logger: Logger
  clock: { nowMs(): number }
}

export type ProcessorParameters = Pick<Component, 'component' | 'componentId' | 'members'> & {
  /** How long a marked commit may wait for its confirmation, by its own time, before that is an alarm. */
  lagMaxMs: number
}

/**
 * One tick of the cadence: notices what the chain did to earlier anchors, takes the newest certified commit that is marked
 * for the chain, and anchors it.
 *
 * A tick is only a hint. It may run twice, late, or in two processes at once: what is to be done is read from the chain
 * and the logs each time. So an anchor that a reorganisation removed is sent again by the next tick, whoever sent it first.
 */
export function createProcessor(
  { registry, sender, follower, lease, logs, logger, clock }: ProcessorDependencies,
  { component, componentId, members: genesisMembers, lagMaxMs }: ProcessorParameters,
): () => Promise<AnchorResult> {
  let lastHead: Head | undefined
  let lastCommittee: { hash: Hex; members: readonly Member[] } | undefined
  /** The oldest marked commit that is not confirmed, as far as this process knows. */
  let due: { logSize: bigint; sinceMs: number } | undefined

  return async () => {
    await observe()
    try {
      const result = await anchorNewest()
      const late = findLag()
      if (late !== undefined && result.status !== 'anchored') throw late
      return result
    } catch (error) {
      const late = findLag()
      if (late !== undefined && !(error instanceof AnchorLagsError)) logger.error({ alarm: late.code }, late.message)
      throw error
    }
  }

  async function observe(): Promise<void> {
    for (const { kind, anchor } of await follower.poll()) {
      const { head, txHash, blockNumber } = anchor
      const facts = { height: head.height, logSize: head.logSize, txHash, blockNumber }
      if (kind === 'removed') logger.warn(facts, 'a reorganisation removed an anchor; it is sent again')
      if (kind === 'confirmed') logger.info(facts, 'confirmed')
    }
  }

  async function anchorNewest(): Promise<AnchorResult> {
    let head = await readHead()
    if (head === undefined) {
      // Whoever registers pays: not for a component that no member serves.
      const first = await readCandidates(logs, { component, head: BEGINNING, members: genesisMembers })
      // A successor is looked for on chain before anybody can write to it: there its members' word has to do.
      if (first.length === 0 && !(await isServed())) return { status: 'nothingMarked' }
      head = await hold(register)
      if (head === undefined) return { status: 'leftToAnother' }
    }
    const { logSize } = head
    const sizes = { logSize: logSize.toString(), confirmedLogSize: confirmedSize().toString() }
    if (head.retired) return { status: 'retired', ...sizes }
    const members = await membersOf(head)
    const candidates = await readCandidates(logs, { component, head, members })
    noteDue(candidates[0], head)
    if (candidates.length > 0) {
      return (await hold(() => anchor({ head, members, candidates }))) ?? { status: 'leftToAnother' }
    }
    return logSize === 0n ? { status: 'nothingMarked' } : { status: 'alreadyAnchored', ...sizes }
  }

  /** Runs `act`; undefined where another process anchors this component right now. */
  async function hold<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await lease.hold(`anchor-${component}`, act)
    } catch (error) {
      if (error instanceof SenderBusyError) return undefined
      throw error
    }
  }

  async function isServed(): Promise<boolean> {
    const asked = await Promise.allSettled(logs.map((log) => log.readStatus()))
    return asked.some((each) => each.status === 'fulfilled' && each.value.component === component)
  }

  async function register(): Promise<Head | undefined> {
    // Another process may have done it while this one came to its turn.
    const found = await readHead()
    if (found !== undefined) return found
    const { txHash } = await registry.register(sender, { componentId, members: genesisMembers })
    logger.info({ component, txHash }, 'registered')
    return readHead()
  }

  async function anchor(on: {
    head: Head
    members: readonly Member[]
    candidates: readonly Candidate[]
  }): Promise<AnchorResult | undefined> {
    const { head, members, candidates } = on
    // Another process may have been first while this one came to its turn.
    if (!(await registry.isNewest({ component, head }))) return undefined
    const { verified, next, consistencyProof } = await proveGrowth(head, candidates)
    const { epoch, height, logSize } = verified.commit
    logger.info({ epoch, height, logSize, next: next?.kind }, 'anchoring')
    const anchored = await registry.anchor(sender, {
      previous: head,
      certified: verified,
      members,
      consistencyProof,
      next,
    })
    lastHead = anchored.head
    const { txHash, gasUsed } = anchored
    logger.info({ epoch, height, logSize, txHash, gasUsed }, 'anchored')
    return {
      status: 'anchored',
      logSize: logSize.toString(),
      height: height.toString(),
      txHash,
      gasUsed: gasUsed.toString(),
    }
  }

  /** The newest head; undefined where nobody registered the component. */
  async function readHead(): Promise<Head | undefined> {
    // One call instead of every event there ever was, as long as nobody else anchored.
    if (lastHead !== undefined && (await registry.isNewest({ component, head: lastHead }))) return lastHead
    try {
      lastHead = await registry.readHead({ component })
      return lastHead
    } catch (error) {
      if (!(error instanceof ComponentUnknownError)) throw error
      return undefined
    }
  }

  async function membersOf(head: Head): Promise<readonly Member[]> {
    // A component's key follows from its genesis committee, so that of epoch 0 is the config's.
    if (head.epoch === 0n) return genesisMembers
    if (lastCommittee?.hash !== head.committeeHash) {
      lastCommittee = { hash: head.committeeHash, members: await readCommittee(logs, head) }
    }
    return lastCommittee.members
  }

  function confirmedSize(): bigint {
    return follower.confirmed?.head.logSize ?? 0n
  }

  function noteDue(newest: Candidate | undefined, head: Head): void {
    if (due !== undefined && confirmedSize() >= due.logSize) due = undefined
    const commit = newest?.verified.commit ?? head
    if (due === undefined && commit.logSize > confirmedSize()) {
      due = { logSize: commit.logSize, sinceMs: Number(commit.timestampMs) }
    }
  }

  function findLag(): AnchorLagsError | undefined {
    if (due === undefined || confirmedSize() >= due.logSize) return undefined
    const lagMs = clock.nowMs() - due.sinceMs
    if (lagMs <= lagMaxMs) return undefined
    return new AnchorLagsError({ logSize: due.logSize, confirmedLogSize: confirmedSize(), lagMs })
  }
}
