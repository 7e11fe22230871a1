import { faultyMaxOf } from '../../committee/committee.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { type DecidedHeight, encodeDecidedHeight, type Frame, HEIGHTS_MAX } from './frame.ts'
import type { Store } from './store.ts'

/** How long a peer has to answer before another one is asked; longer than SERVED_AGAIN_MS. */
const ASK_MS = 400
/** Asks without an answer before a member gives up until it hears of greater heights again; more where f is greater. */
const ASKS_MIN = 3
/** Answers from one peer before the next is asked: one that answers slowly on purpose holds a member up for so long. */
const ANSWERS_OF_ONE_MAX = 16
/** For how long a height that was served is not served again: a repeat of an ask costs nothing. */
const SERVED_AGAIN_MS = 300
/** Bytes of one answer; a greater height travels alone. */
const ANSWER_SIZE_MAX_BYTES = 1 << 20
/** What a member serves in a second at the most, whoever asks: the stream keeps half a minute of it. */
const SERVED_MAX_BYTES_PER_SECOND = 2 << 20

type Asked = Extract<Frame, { kind: 'behind' }>
type Answer = Extract<Frame, { kind: 'decided' }>

export type CatchUpDependencies = {
  store: Pick<Store, 'readRecord' | 'readBatch' | 'readExtensions' | 'baseHeight'>
  clock: { nowMs(): number }
  /** Address of this member. */
  self: Hex
  /** The committee of the epoch that this member is in. */
  signers(): readonly Hex[]
  /** Last height that is decided here. */
  height(): bigint
  /** Encoded vote extensions for the commit of a decided height, a quorum's; none where the component uses none. */
  extensionsFor(height: bigint): readonly Uint8Array[]
  send(frame: Asked | Answer): void
  /**
   * Verifies and executes one decided height, which comes with the vote extensions for its commit; a refused one is dropped.
   */
  accept(decided: DecidedHeight, extensions: readonly Uint8Array[]): void
  /** Counts an answer that is of no use here. */
  drop(reason: 'heightAhead' | 'heightBehind'): void
}

export type CatchUp = {
  /** Somebody seems to have decided `height`: a claim, which only makes this member ask. */
  heardOf(height: bigint): void
  /** Asks the peer whose turn it is, once. */
  ask(): void
  /** Answers where this member is the one that was asked. */
  serve(asked: Asked): void
  receive(answer: Answer): void
  stop(): void
}

/**
 * How a member that was away gets what was decided without it (spec §5.5): it asks one peer, by name, for as many heights as
 * fit an answer, and asks on as soon as they are executed. A peer that does not deliver loses its turn to the next.
 */
export function createCatchUp(deps: CatchUpDependencies): CatchUp {
  const { store, clock, self, signers, height, extensionsFor, send, accept, drop } = deps
  let heardOfHeight = 0n
  let asksLeft = 0
  let answersOfPeer = 0
  // Members that restart together do not all begin with the same peer.
  let turn = signers().indexOf(self) + 1
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const served = new Map<bigint, number>()
  let budgetBytes = SERVED_MAX_BYTES_PER_SECOND
  let budgetAtMs = clock.nowMs()

  function ask(): void {
    const peers = signers().filter((signer) => signer !== self)
    const peer = peers[turn % peers.length]
    if (peer !== undefined) send({ kind: 'behind', height: height(), peer })
  }

  function nextPeer(): void {
    turn += 1
    answersOfPeer = 0
  }

  function askLater(): void {
    clearInterval(timer)
    timer = setInterval(() => {
      nextPeer()
      if (asksLeft > 0 && heardOfHeight > height()) {
        asksLeft -= 1
        ask()
        return
      }
      clearInterval(timer)
      timer = undefined
    }, ASK_MS)
  }

  function heardOf(claimed: bigint): void {
    if (claimed <= height()) return
    heardOfHeight = claimed
    asksLeft = Math.max(ASKS_MIN, faultyMaxOf(signers().length) + 1)
    if (timer === undefined) askLater()
  }

  function hasBudget(): boolean {
    const nowMs = clock.nowMs()
    const earned = (Math.max(0, nowMs - budgetAtMs) * SERVED_MAX_BYTES_PER_SECOND) / 1000
    budgetBytes = Math.min(SERVED_MAX_BYTES_PER_SECOND, budgetBytes + earned)
    budgetAtMs = nowMs
    return budgetBytes > 0
  }

  /** As many heights from `first` on as one answer holds. */
  function readHeights(first: bigint): { heights: DecidedHeight[]; sizeBytes: number } {
    const heights: DecidedHeight[] = []
    let sizeBytes = 0
    // The height that this store begins at came without its envelopes.
    if (first <= store.baseHeight()) return { heights, sizeBytes }
    while (heights.length < HEIGHTS_MAX) {
      const at = first + BigInt(heights.length)
      const record = store.readRecord(at)
      if (record === undefined) break
      const decided = { record, envelopes: store.readBatch(at), extensions: store.readExtensions(at) }
      const withIt = sizeBytes + encodeDecidedHeight(decided).length
      if (heights.length > 0 && withIt > ANSWER_SIZE_MAX_BYTES) break
      heights.push(decided)
      sizeBytes = withIt
    }
    return { heights, sizeBytes }
  }

  return {
    heardOf,
    ask,

    serve({ height: last, peer }) {
      if (peer !== self || last >= height() || !hasBudget()) return
      const nowMs = clock.nowMs()
      for (const [first, atMs] of served) if (nowMs - atMs >= SERVED_AGAIN_MS) served.delete(first)
      const first = last + 1n
      if (served.has(first)) return
      const { heights, sizeBytes } = readHeights(first)
      if (heights.length === 0) return
      served.set(first, nowMs)
      budgetBytes -= sizeBytes
      // Whoever takes the last of these may be the only one that is left to build on it.
      const extensions = extensionsFor(last + BigInt(heights.length))
      budgetBytes -= extensions.reduce((sum, { length }) => sum + length, 0)
      send({ kind: 'decided', first, heights, extensions })
    },

    receive({ first, heights, extensions }) {
      const before = height()
      if (first > before + 1n) return drop('heightAhead')
      // Members read each other's answers.
      if (first + BigInt(heights.length) <= before + 1n) return drop('heightBehind')
      for (let index = Number(before + 1n - first); index < heights.length; index++) {
        const last = height()
        accept(heights[index]!, heights[index + 1]?.extensions ?? extensions)
        // What follows a height that was refused cannot be executed either.
        if (height() === last) break
      }
      if (height() === before || isStopped) return
      answersOfPeer += 1
      if (answersOfPeer >= ANSWERS_OF_ONE_MAX) nextPeer()
      // There may be more where it came from.
      heardOf(height() + 1n)
      askLater()
      ask()
    },

    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
