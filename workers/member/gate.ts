import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { keccak256 } from '../../protocol/hash.ts'
import {
  deriveAdmissionDigest,
  EntrantNotAdmittedError,
  type SignedAdmission,
} from '../../protocol/wire/admissionStatement.ts'
import { isSignedBy } from '../../protocol/wire/certificate.ts'
import type { Envelope } from '../../protocol/wire/envelope.ts'
import { decodeGovernanceCommand, isGovernanceCommand } from '../../protocol/wire/governance.ts'
import type { Admission, AdmittedPeer } from '../attestation/admission.ts'
import { PeerRefusedError } from '../attestation/verdictValidator.ts'
import type { Logger } from '../runtime/logger.ts'
import { decodeFrame, encodeFrame, type Frame } from './frame.ts'
import type { Nonces } from './nonces.ts'
import { derivePeerFrameDigest, type ShownTicket } from './peerFrame.ts'
import type { Presenter } from './presenter.ts'
import type { DropReason } from './vitals.ts'

const TICK_MS = 1_000
/** Peers whose tickets are judged at once; one of them has one judgement at a time. */
const JUDGED_AT_ONCE_MAX = 16
/** For how long the same tickets are not judged again. */
const JUDGED_AGAIN_MS = 10_000
/** Peers of which it is remembered what they showed last. */
const REMEMBERED_MAX = 1_024
/** Refusals, and admissions, that `/status` tells. */
const REFUSALS_LISTED_MAX = 16
const ADMITTED_LISTED_MAX = 256
/** How soon the same peer is told again that it is not admitted, and how many are told in that time. */
const TOLD_AGAIN_MS = 1_000
const TOLD_AT_ONCE_MAX = 8

/** What is heard of a peer that is connected, and of nobody else. */
export type PeerFrame = Extract<Frame, { kind: 'behind' | 'decided' }>
type SignedFrame = Extract<Frame, { kind: 'signed' }>

export type GateStatus = {
  admitted: readonly AdmittedPeer[]
  /** The newest refusals, one a peer. */
  refused: readonly { signer: Hex; code: string; atMs: number }[]
}

/** Lets peers be served and heard only where they are admitted, or of the current epoch (spec §8.2). */
export type Gate = {
  /** Says a frame as this member's own. */
  say(frame: PeerFrame): void
  /** What a signed frame holds; undefined where its peer is not connected, or it was for the gate alone. */
  receive(frame: SignedFrame): PeerFrame | undefined
  /**
   * Whether this member brings its own operator's envelope: no approval of a committee with somebody new in it that it has
   * not admitted now. Others' approvals are theirs to answer for, and what is decided is never judged again.
   *
   * @throws {EntrantNotAdmittedError}
   */
  assertMayBring(envelope: Envelope): void
  /** This member's signed word that `peer` is admitted; undefined where it is not, now. */
  stateAdmission(peer: Hex): SignedAdmission | undefined
  status(): GateStatus
  start(): void
  stop(): void
}

/** What the driver gives to a gate. */
export type GateWiring = {
  component: Hex
  self: Hex
  /** Signers of the current epoch. */
  members: () => readonly Hex[]
  send(frame: Frame): void
  sign(digest: Hex): Hex
  /** A peer that refuses to serve this member says that it has decided `height`: a claim, which only makes it ask again. */
  heardOf(height: bigint): void
  vitals: { drop(reason: DropReason): void; heard(signer: Hex): void }
}

export type GateDependencies = GateWiring & {
  admission: Admission
  nonces: Nonces
  /** Says when: of what `/status` tells. */
  clock: { nowMs(): number }
  /** Says for how long, however the clock is set meanwhile. */
  monotonic: { nowMs(): number }
  logger: Logger
  /** Makes what shows this member's own tickets. */
  createPresenter(show: (tickets: readonly ShownTicket[]) => void): Presenter
}

export function createGate(deps: GateDependencies): Gate {
  const { component, self, members, send, sign, vitals, admission, nonces, clock, monotonic, logger } = deps
  const judging = new Set<Hex>()
  /** Whose tickets were judged, at what `monotonic` said then; as `told`. */
  const judged = new Map<Hex, { digest: Hex; atMs: number }>()
  const refusals = new Map<Hex, { code: string; atMs: number }>()
  const told = new Map<Hex, number>()
  const presenter = deps.createPresenter((tickets) => {
    const bytes = encodeFrame({ kind: 'tickets', tickets })
    sayBytes(bytes)
    // Its own pool is the first to say what is wrong with its own tickets.
    void judge(self, { tickets, digest: toHex(keccak256(bytes)) })
  })
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  function sayBytes(bytes: Uint8Array): void {
    if (isStopped) return
    send({ kind: 'signed', signer: self, signature: sign(derivePeerFrameDigest({ component, bytes })), bytes })
  }

  function isOwn({ signer, signature, bytes }: SignedFrame): boolean {
    return isSignedBy({ digest: derivePeerFrameDigest({ component, bytes }), signature, signer })
  }

  /** Remembers the newest alone, oldest first, so that strangers cannot make it grow. */
  function remember<Value>(map: Map<Hex, Value>, { signer, value }: { signer: Hex; value: Value }): void {
    map.delete(signer)
    map.set(signer, value)
    if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value!)
  }

  async function tell(peer: Hex, code: string): Promise<void> {
    const nowMs = monotonic.nowMs()
    for (const [other, atMs] of told) if (nowMs - atMs >= TOLD_AGAIN_MS) told.delete(other)
    if (told.has(peer) || told.size >= TOLD_AT_ONCE_MAX) return
    told.set(peer, nowMs)
    const nonce = await nonces.newest()
    sayBytes(encodeFrame({ kind: 'unadmitted', peer, code, nonce }))
  }

  const tellSoon = (peer: Hex, code: string): void => {
    tell(peer, code).catch((error: Error) => logger.warn({ reason: error.message }, 'a peer could not be told'))
  }

  function receiveTickets(frame: SignedFrame, tickets: readonly ShownTicket[]): void {
    const { signer, bytes } = frame
    const digest = toHex(keccak256(bytes))
    const last = judged.get(signer)
    const isKnown = last?.digest === digest && monotonic.nowMs() - last.atMs < JUDGED_AGAIN_MS
    // Who is admitted by the very same is admitted until then, however often it shows them.
    if (isKnown || (last?.digest === digest && admission.endOf(signer) !== undefined)) return
    if (judging.has(signer) || judging.size >= JUDGED_AT_ONCE_MAX) return vitals.drop('tickets')
    if (!isOwn(frame)) return vitals.drop('signature')
    hear(signer)
    void judge(signer, { tickets, digest })
  }

  async function judge(
    signer: Hex,
    { tickets, digest }: { tickets: readonly ShownTicket[]; digest: Hex },
  ): Promise<void> {
    judging.add(signer)
    try {
      const times = new Map<Hex, number>()
      for (const ticket of tickets) {
        if (ticket.class !== 'tdx') continue
        const timeMs = await nonces.timeOf({ digest: ticket.nonce, height: ticket.nonceHeight })
        if (timeMs !== undefined) times.set(ticket.nonce, timeMs)
      }
      const endsAtMs = await admission.admit({ signer, tickets, nonceTimeMs: (nonce) => times.get(nonce) })
      refusals.delete(signer)
      remember(judged, { signer, value: { digest, atMs: monotonic.nowMs() } })
      logger.info({ signer, endsAtMs }, 'admitted')
    } catch (error) {
      refuse(signer, { error, digest })
    } finally {
      judging.delete(signer)
    }
  }

  function refuse(signer: Hex, { error, digest }: { error: unknown; digest: Hex }): void {
    if (!(error instanceof CoalitionError)) {
      logger.error({ err: error, signer }, 'tickets could not be judged')
      return
    }
    const code = error instanceof PeerRefusedError ? error.refusal : error.code
    vitals.drop('tickets')
    remember(refusals, { signer, value: { code, atMs: clock.nowMs() } })
    // What says nothing about the tickets, an outage of the pool for one, is tried again when they are shown again.
    if (!error.isRetryable) remember(judged, { signer, value: { digest, atMs: monotonic.nowMs() } })
    logger.warn({ signer, code, reason: error.message, isSelf: signer === self }, 'tickets were refused')
    if (signer !== self) tellSoon(signer, code)
  }

  /** Only members are remembered as heard: of strangers there is no end. */
  function hear(signer: Hex): void {
    if (members().includes(signer)) vitals.heard(signer)
  }

  return {
    say: (frame) => sayBytes(encodeFrame(frame)),

    receive(frame) {
      const { signer, bytes } = frame
      if (signer === self) return undefined // a member hears its own words, too
      const inner = decodeFrame(bytes)
      if (typeof inner === 'string') {
        vitals.drop(inner)
        return undefined
      }
      if (inner.kind === 'tickets') {
        receiveTickets(frame, inner.tickets)
        return undefined
      }
      if (inner.kind === 'unadmitted') {
        if (inner.peer !== self) return undefined
        if (!members().includes(signer)) vitals.drop('unadmitted')
        else if (!isOwn(frame)) vitals.drop('signature')
        else {
          logger.warn({ by: signer, code: inner.code }, 'a peer has not admitted this member')
          presenter.refused(inner.nonce)
          // Whoever is admitted is not told so: it asks until it is served.
          if (inner.nonce !== undefined) deps.heardOf(inner.nonce.height)
        }
        return undefined
      }
      if (inner.kind !== 'behind' && inner.kind !== 'decided') {
        vitals.drop('malformed')
        return undefined
      }
      if (!admission.isConnected(signer)) {
        vitals.drop('unadmitted')
        if (inner.kind === 'behind' && inner.peer === self) tellSoon(signer, 'TICKET_MISSING')
        return undefined
      }
      if (!isOwn(frame)) {
        vitals.drop('signature')
        return undefined
      }
      hear(signer)
      return inner
    },

    assertMayBring({ submitter, commands }) {
      const [command] = commands
      if (submitter !== self || command === undefined || !isGovernanceCommand(command)) return
      const approved = decodeGovernanceCommand(command)
      if (approved.kind !== 'approveRotation') return
      const seated = new Set(members())
      for (const { signer } of approved.members) {
        if (!seated.has(signer) && admission.endOf(signer) === undefined)
          throw new EntrantNotAdmittedError({ entrant: signer })
      }
    },

    stateAdmission(peer) {
      const endsAtMs = admission.endOf(peer)
      if (endsAtMs === undefined) return undefined
      const statement = { component, peer, endsAtMs }
      return { ...statement, signature: sign(deriveAdmissionDigest(statement)) }
    },

    status: () => ({
      admitted: admission.list().slice(0, ADMITTED_LISTED_MAX),
      refused: [...refusals].slice(-REFUSALS_LISTED_MAX).map(([signer, refusal]) => ({ signer, ...refusal })),
    }),

    start() {
      presenter.tick()
      timer = setInterval(() => {
        admission.tick()
        presenter.tick()
      }, TICK_MS)
    },
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
