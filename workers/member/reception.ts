import { authenticate } from '../../committee/authenticate.ts'
import { deriveListRoot } from '../../committee/digest.ts'
import { isSignedExtensionQuorum } from '../../committee/extension.ts'
import type { CommitteeState } from '../../committee/state.ts'
import type { Input } from '../../committee/types.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { verifyCertificate } from '../../protocol/wire/certificate.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import type { Logger } from '../runtime/logger.ts'
import type { CatchUp } from './catchUp.ts'
import type { ClockWatch } from './clockWatch.ts'
import { type DecidedHeight, decodeFrame } from './frame.ts'
import type { Gate, PeerFrame } from './gate.ts'
import type { Handshaker } from './handshaker.ts'
import type { Pool } from './pool.ts'
import type { Replica } from './replica.ts'
import { dropReasonOf, type Vitals } from './vitals.ts'

export type Reception = {
  /** A frame, from whomever: what is not dropped goes to whose it is. */
  receive(bytes: Uint8Array): void
  /**
   * A commit that others decided: its certificate is checked and its batch executed before anything is believed. Where
   * votes carry extensions a quorum's for it come along, checked, or it is not taken: were the members that have them lost,
   * nobody who decided without could propose the next height, and the component would stand still.
   */
  receiveDecided(decided: DecidedHeight, ownExtensions: readonly Uint8Array[]): void
}

export type ReceptionDependencies<State> = {
  core(): CommitteeState
  replica: Pick<Replica<State>, 'state' | 'verify' | 'executeBlock'>
  pool: Pick<Pool<State>, 'screen'>
  /** Undefined where the component names no ticket validators. */
  gate: Pick<Gate, 'receive'> | undefined
  catchUp: Pick<CatchUp, 'heardOf' | 'serve' | 'receive'>
  handshaker: Pick<Handshaker, 'receive'>
  clockWatch: Pick<ClockWatch, 'proposed'>
  /** Counts what was dropped, and who was heard. */
  vitals: Pick<Vitals, 'drop' | 'heard'>
  logger: Logger
  clock: { nowMs(): number }
  isRetired(): boolean
  /** Gives the core what it may believe. */
  feed(input: Input): void
  /** Puts an envelope where it waits for its turn. */
  add(envelope: VerifiedEnvelope): void
  /** An invariant is broken: the member must not go on. */
  fail(error: unknown): void
}

/** Takes what other members send: drops what is not to be believed, cheap reasons first, and hands on the rest. */
export function createReception<State>(deps: ReceptionDependencies<State>): Reception {
  const { core, replica, pool, gate, catchUp, handshaker, clockWatch, vitals, logger, clock } = deps
  const { isRetired, feed, add, fail } = deps

  function receive(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes)
    if (typeof frame === 'string') return vitals.drop(frame)
    switch (frame.kind) {
      case 'consensus':
        return receiveMessage(frame.bytes)
      case 'handshake':
        return isRetired() ? undefined : handshaker.receive(frame.bytes)
      case 'envelope':
        return receiveEnvelope(frame.bytes)
      case 'behind':
      case 'decided':
        // Where peers are admitted, who says it must be known.
        return gate === undefined ? receivePeer(frame) : vitals.drop('unadmitted')
      case 'signed': {
        if (gate === undefined) return vitals.drop('unadmitted')
        const said = gate.receive(frame)
        return said === undefined ? undefined : receivePeer(said)
      }
      case 'tickets':
      case 'unadmitted':
        return vitals.drop('unadmitted')
    }
  }

  const receivePeer = (frame: PeerFrame): void =>
    frame.kind === 'behind' ? catchUp.serve(frame) : catchUp.receive(frame)

  function receiveMessage(bytes: Uint8Array): void {
    const authenticated = authenticate(bytes, { state: core() })
    if ('message' in authenticated) {
      const { message } = authenticated
      vitals.heard(message.signer)
      if (message.kind === 'proposal') clockWatch.proposed(message)
      feed({ kind: 'messageReceived', message, nowMs: clock.nowMs() })
      catchUp.heardOf(message.height - 1n)
      return
    }
    const { refused, header } = authenticated
    // A member hears its own words, too: dropping those says nothing.
    if (header?.signer !== core().committee.self || refused !== 'duplicate') vitals.drop(refused)
    const isAhead = refused === 'heightAhead' || (refused === 'epoch' && header!.epoch > core().committee.epoch)
    if (isAhead && header !== undefined) catchUp.heardOf(header.height - 1n)
    else if (refused !== 'duplicate') logger.debug({ refused, signer: header?.signer }, 'dropped a message')
  }

  function receiveEnvelope(bytes: Uint8Array): void {
    try {
      add(replica.verify(bytes, (claimed) => pool.screen(claimed, replica.state())))
    } catch (error) {
      countDrop(error, 'dropped an envelope')
    }
  }

  /** Counts what a refusal dropped; what is none is thrown on. */
  function countDrop(error: unknown, what: string): void {
    if (!(error instanceof CoalitionError)) throw error
    const dropped = dropReasonOf(error)
    if (dropped !== undefined) vitals.drop(dropped)
    logger.debug({ code: error.code, reason: error.message, dropped }, what)
  }

  function receiveDecided(
    { record, envelopes, extensions }: DecidedHeight,
    ownExtensions: readonly Uint8Array[],
  ): void {
    try {
      const { commit, certificate, body } = decodeCommitRecord(record)
      const { committee, height } = core()
      const { component, epoch, signers } = committee
      if (commit.component !== component) return vitals.drop('component')
      if (commit.epoch !== epoch) return vitals.drop('epoch')
      if (commit.height !== height) return vitals.drop('heightAhead')
      // The batch is not covered by a signature of its sender: only the one that the commit names is executed.
      const isOfCommit =
        deriveListRoot(envelopes) === body.batchRoot && deriveListRoot(extensions) === body.extensionsRoot
      if (!isOfCommit) return vitals.drop('batch')
      const certified = verifyCertificate({ commit, certificate, signers })
      const proposal = { parent: body.parent, timestampMs: commit.timestampMs, batch: envelopes, extensions }
      const isExtended = committee.hasExtensions
        ? isSignedExtensionQuorum(ownExtensions, { component, height, commitDigest: certified.digest, signers })
        : ownExtensions.length === 0
      if (!isExtended) return vitals.drop('extension')
      if (replica.executeBlock(proposal).state.parent !== certified.digest) {
        throw new Error(`height ${commit.height} was certified and executing it here gives another commit`)
      }
      feed({ kind: 'decidedReceived', certified, body, proposal, extensions: ownExtensions, nowMs: clock.nowMs() })
    } catch (error) {
      if (error instanceof CoalitionError) return countDrop(error, 'dropped a decision')
      fail(error)
    }
  }

  return { receive, receiveDecided }
}
