import type { CoalitionError } from '../../protocol/errors.ts'
import type { Acknowledgement } from '../../protocol/wire/acknowledgement.ts'
import { SequenceRefusedError, type VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../../protocol/wire/next.ts'
import { UndecidedError } from './driverErrors.ts'
import type { Pool } from './pool.ts'
import type { Replica } from './replica.ts'

/** How long a caller waits for a decision before it is told to ask again. */
const WAIT_MAX_MS = 10_000
/** How long a caller waits for an envelope that must come before its own. */
const GAP_MAX_MS = 1_000
/** Callers that wait so at once. */
const GAPPED_MAX = 64

export type Submissions = {
  /** As the driver's `submit`. */
  submit(bytes: Uint8Array): Promise<Acknowledgement>
  /** Ends the wait for everything that the last decision decided, or decided otherwise. */
  answer(): void
}

export type SubmissionsDependencies<State> = {
  replica: Pick<Replica<State>, 'state' | 'verify' | 'acknowledge'>
  pool: Pick<Pool<State>, 'isReachable'>
  /** Puts an envelope where it waits for its turn; throws what the driver's `submit` throws of one that may not. */
  add(envelope: VerifiedEnvelope): 'added' | 'known'
  /** Passes an envelope on to the other members. */
  relay(bytes: Uint8Array): void
}

/** Keeps those who hand in envelopes waiting for the decision, for a while and within bounds. */
export function createSubmissions<State>(deps: SubmissionsDependencies<State>): Submissions {
  const { replica, pool, add, relay } = deps
  const waiters = new Set<Waiter>()
  let gappedCount = 0

  return {
    async submit(bytes) {
      const envelope = replica.verify(bytes)
      const { submitter, sequence } = envelope.envelope
      const decided = replica.acknowledge(envelope.digest)
      if (decided !== undefined) return decided
      const { retirement } = replica.state().governance
      if (retirement !== null) throw new ComponentRetiredError(retirement)
      if (add(envelope) === 'added') relay(bytes)
      // A committee of one decides before `add` returns.
      const atOnce = replica.acknowledge(envelope.digest)
      if (atOnce !== undefined) return atOnce
      // Envelopes that were sent together may arrive in any order, but a gap may also stay open for ever: it keeps its
      // caller waiting for a moment only, and few callers at once.
      const isReachable = (): boolean => pool.isReachable(envelope, replica.state())
      const isGapped = !isReachable()
      const refuseGap = (): UndecidedError =>
        new UndecidedError({ reason: `sequence ${sequence} of ${submitter} waits for one before it that has not come` })
      if (isGapped && gappedCount >= GAPPED_MAX) throw refuseGap()
      return await new Promise<Acknowledgement>((resolve, reject) => {
        const waiter: Waiter = {
          envelope,
          resolve: (acknowledgement) => end(() => resolve(acknowledgement)),
          reject: (error) => end(() => reject(error)),
        }
        const end = (answer: () => void): void => {
          clearTimeout(timer)
          if (isGapped) gappedCount -= 1
          waiters.delete(waiter)
          answer()
        }
        const waitOn = (): NodeJS.Timeout =>
          setTimeout(
            () => waiter.reject(new UndecidedError({ reason: 'no quorum has decided it yet' })),
            WAIT_MAX_MS,
          ).unref()
        const lookAgain = (): void => {
          if (isReachable()) timer = waitOn()
          else waiter.reject(refuseGap())
        }
        let timer = isGapped ? setTimeout(lookAgain, GAP_MAX_MS).unref() : waitOn()
        if (isGapped) gappedCount += 1
        waiters.add(waiter)
      })
    },

    answer() {
      const { sequences, governance } = replica.state()
      for (const waiter of waiters) {
        const { submitter, sequence } = waiter.envelope.envelope
        const last = sequences.get(submitter) ?? 0n
        if (sequence > last) {
          if (governance.retirement !== null) waiter.reject(new ComponentRetiredError(governance.retirement))
          continue
        }
        waiters.delete(waiter)
        const acknowledgement = replica.acknowledge(waiter.envelope.digest)
        if (acknowledgement === undefined) waiter.reject(new SequenceRefusedError({ submitter, sequence, last }))
        else waiter.resolve(acknowledgement)
      }
    },
  }
}

type Waiter = {
  envelope: VerifiedEnvelope
  resolve(acknowledgement: Acknowledgement): void
  reject(error: CoalitionError): void
}
