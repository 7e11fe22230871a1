import { CoalitionError } from '../../protocol/errors.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../protocol/log/checkpoint.ts'
import type { NoteVerifier } from '../../protocol/log/noteVerifier.ts'
import {
  decodeNote,
  encodeNote,
  NOTE_SIGNATURES_MAX,
  type Note,
  type NoteSignature,
} from '../../protocol/log/signedNote.ts'
import type { NoteSigner } from '../../protocol/log/signNote.ts'
import { type Member, quorumOf } from '../../protocol/wire/committee.ts'
import type { Logger } from '../runtime/logger.ts'
import { createMemberVerifiers } from './checkpointer.ts'
import type { DropReason } from './vitals.ts'

/** Heads in one such span of decided time have one that all members sign: the first. */
export const PERIOD_MS = 500
/** How long a head that a quorum signed is served in place of a newer one. */
const STALE_MS = 2_000
/** How often a member says again what did not become a quorum's, and answers who says so. */
const REPEAT_MS = 2_000
/** Heads whose signatures are gathered at once, and heads ahead of the own one that are kept of each member. */
const HEADS_MAX = 8
const EARLY_MAX = 4
/** Witnesses that a note has room for beside its members. */
const WITNESSES_MAX = 16
const MEMBER_LINES_MAX = NOTE_SIGNATURES_MAX - WITNESSES_MAX
/** 100 lines of an origin of 74 characters and 68 bytes in base64, and the text. */
const NOTE_SIZE_MAX_BYTES = 1 << 15

/** What of a decided commit a checkpoint says. */
export type PublishedHead = { size: bigint; root: Uint8Array; timestampMs: bigint }

export type PublicationDependencies = {
  /** This member's note key; its name is the log's origin. */
  signer: NoteSigner
  /** The committee as of now. */
  members(): readonly Member[]
  /** Hands a note to the other members, some day, perhaps. */
  send(note: Uint8Array): void
  drop(reason: DropReason): void
  logger: Logger
  /** From any beginning: it is asked for durations alone, so one that nobody sets is best. */
  clock: { nowMs(): number }
}

/**
 * Joins the signatures of members under one head, so that any member's `/checkpoint` is a quorum's (spec §6).
 *
 * Members sign what is decided, each by itself and after the decision: nothing of the consensus waits for it or depends on it.
 * To sign the same heads without agreeing on them, each signs the first of every half second of decided time; the newest when
 * nothing follows it for as long; and the newest that another has signed. What they exchange are notes as they are served.
 */
export type Publication = ReturnType<typeof createPublication>

/** A checkpoint as it is shown to witnesses. */
export type ShownHead = {
  size: bigint
  text: string
  note: Uint8Array
  /** Has their verified lines served with it, in place of those before. */
  cosign(cosignatures: readonly NoteSignature[]): void
}

type Candidate = {
  size: bigint
  text: string
  message: Uint8Array
  own: NoteSignature
  /** Verified, by key id, of other members. */
  others: Map<number, NoteSignature>
  sentMs: number
  answeredMs: number
}

export function createPublication(deps: PublicationDependencies, genesis: PublishedHead) {
  const { signer, members, send, drop, logger, clock } = deps
  const origin = signer.name
  const candidates = new Map<bigint, Candidate>()
  /** Verified signatures over heads that are not decided here yet, by key id. */
  const early = new Map<number, { text: string; line: NoteSignature }[]>()
  let newest = genesis
  let newestAtTick = -1n
  let published: Candidate | undefined
  let supersededMs = 0
  let servedSize = 0n
  let cosigned: { candidate: Candidate; cosignatures: readonly NoteSignature[] } | undefined
  let known: { members: readonly Member[]; verifiers: Map<number, NoteVerifier>; quorum: number } | undefined

  function committee() {
    if (known?.members !== members()) {
      const verifiers = createMemberVerifiers(members(), { origin })
      known = {
        members: members(),
        verifiers: new Map(verifiers.map((verifier) => [verifier.keyId, verifier])),
        quorum: quorumOf(members().length),
      }
    }
    return known
  }

  /** How many members of the committee as of now have signed it. */
  function countMembers({ own, others }: Candidate): number {
    const { verifiers } = committee()
    return [own.keyId, ...others.keys()].filter((keyId) => verifiers.has(keyId)).length
  }

  const hasQuorum = (candidate: Candidate): boolean => countMembers(candidate) >= committee().quorum

  const encode = ({ text, own, others }: Candidate, cosignatures: readonly NoteSignature[] = []): Uint8Array => {
    const signatures = [own, ...others.values()].slice(0, MEMBER_LINES_MAX)
    return encodeNote({ text, signatures: [...signatures, ...cosignatures] })
  }

  function sendOwn(candidate: Candidate): void {
    candidate.sentMs = clock.nowMs()
    send(encodeNote({ text: candidate.text, signatures: [candidate.own] }))
  }

  /** Signs the newest head and says so. */
  function choose(): Candidate {
    const { size, root } = newest
    const text = encodeCheckpoint({ origin, size, root, extensions: [] })
    const message = new TextEncoder().encode(text)
    const own = { name: origin, keyId: signer.keyId, signature: signer.sign(message) }
    const candidate: Candidate = { size, text, message, own, others: new Map(), sentMs: 0, answeredMs: -REPEAT_MS }
    candidates.set(size, candidate)
    for (const oldest of candidates.keys()) {
      if (candidates.size <= HEADS_MAX) break
      candidates.delete(oldest)
    }
    for (const [keyId, heads] of early) {
      for (const { text: claimed, line } of heads) if (claimed === text) candidate.others.set(keyId, line)
      const left = heads.filter(({ text: claimed }) => sizeOf(claimed) > size)
      if (left.length === 0) early.delete(keyId)
      else early.set(keyId, left)
    }
    sendOwn(candidate)
    promote(candidate)
    return candidate
  }

  function promote(candidate: Candidate): void {
    if (!hasQuorum(candidate) || candidate.size <= (published?.size ?? -1n)) return
    published = candidate
    supersededMs = clock.nowMs()
    for (const size of candidates.keys()) if (size < candidate.size) candidates.delete(size)
  }

  /** Lines of other members over this very text that are not `held`; undefined, and counted, if one of them is not good. */
  function verifyLines({ text, signatures }: Note, held: ReadonlyMap<number, unknown>): NoteSignature[] | undefined {
    const message = new TextEncoder().encode(text)
    const lines: NoteSignature[] = []
    for (const line of signatures) {
      const verifier = committee().verifiers.get(line.keyId)
      if (line.name !== origin || line.keyId === signer.keyId || verifier === undefined || held.has(line.keyId))
        continue
      if (!verifier.isSigned(message, line.signature)) {
        drop('note')
        return undefined
      }
      lines.push(line)
    }
    return lines
  }

  function receiveEarly(note: Note): void {
    for (const line of verifyLines(note, new Map()) ?? []) {
      const heads = (early.get(line.keyId) ?? []).filter(({ text }) => text !== note.text)
      early.set(line.keyId, [...heads, { text: note.text, line }].slice(-EARLY_MAX))
    }
  }

  function receiveFor(candidate: Candidate, note: Note): void {
    if (note.text !== candidate.text) {
      const lines = verifyLines(note, new Map()) ?? []
      if (lines.length > 0)
        logger.error({ size: candidate.size, note: note.text }, 'a member has signed another head of this size')
      return
    }
    const lines = verifyLines(note, candidate.others)
    if (lines === undefined) return
    const isNews = lines.length > 0
    for (const line of lines) candidate.others.set(line.keyId, line)
    promote(candidate)
    // Who says again what was heard lacks a quorum; a note that has one is an answer, and is not answered.
    const asks = !isNews && note.signatures.length < committee().quorum && note.signatures[0]!.keyId !== signer.keyId
    if (!asks || !hasQuorum(candidate) || clock.nowMs() - candidate.answeredMs < REPEAT_MS) return
    candidate.answeredMs = clock.nowMs()
    send(encode(candidate))
  }

  function serve(): Candidate {
    const isFresh = published?.size === newest.size || clock.nowMs() - supersededMs <= STALE_MS
    if (published !== undefined && published.size >= servedSize && isFresh) return published
    return candidates.get(newest.size) ?? choose()
  }

  return {
    /** Tells it of each decided commit, in order. */
    decided(head: PublishedHead): void {
      const isFirst = head.timestampMs / BigInt(PERIOD_MS) > newest.timestampMs / BigInt(PERIOD_MS)
      if (head.size === newest.size) return
      if (published?.size === newest.size) supersededMs = clock.nowMs()
      newest = head
      if (isFirst) choose()
    },

    /** Takes what another member has sent, or a stranger. */
    receive(bytes: Uint8Array): void {
      if (bytes.length > NOTE_SIZE_MAX_BYTES) return drop('oversized')
      let note: Note
      let checkpoint: ReturnType<typeof decodeCheckpoint>
      try {
        note = decodeNote(bytes)
        checkpoint = decodeCheckpoint(note.text)
      } catch (error) {
        if (!(error instanceof CoalitionError)) throw error
        return drop('malformed')
      }
      const { size } = checkpoint
      if (checkpoint.origin !== origin) return drop('component')
      if (size > newest.size) return receiveEarly(note)
      const candidate = candidates.get(size) ?? (size === newest.size ? choose() : undefined)
      if (candidate !== undefined) receiveFor(candidate, note)
    },

    /** Once every `PERIOD_MS`. */
    tick(): void {
      const candidate = candidates.get(newest.size)
      if (candidate === undefined) {
        if (newestAtTick === newest.size) choose()
      } else if (!hasQuorum(candidate) && clock.nowMs() - candidate.sentMs >= REPEAT_MS) {
        // Where too few members have note keys there is nothing to wait for.
        if (committee().verifiers.size >= committee().quorum) sendOwn(candidate)
      }
      newestAtTick = newest.size
    },

    /**
     * The newest head that a quorum has signed, or, where that is older than two seconds or is none, the newest of all with
     * what signatures there are. Never an older one than before.
     */
    checkpoint(): Uint8Array {
      const candidate = serve()
      servedSize = candidate.size
      return encode(candidate, cosigned?.candidate.text === candidate.text ? cosigned.cosignatures : [])
    },

    /** What is to be witnessed next, without witnesses' lines, and where to put those that they give for it. */
    head(): ShownHead {
      const candidate = serve()
      const { size, text } = candidate
      return {
        size,
        text,
        note: encode(candidate),
        cosign(cosignatures) {
          if (size >= (cosigned?.candidate.size ?? 0n)) cosigned = { candidate, cosignatures }
        },
      }
    },

    /** The newest checkpoint that a witness has cosigned, for as long as none newer is. */
    witnessed: (): Uint8Array | undefined => cosigned && encode(cosigned.candidate, cosigned.cosignatures),
  }
}

const sizeOf = (text: string): bigint => decodeCheckpoint(text).size
