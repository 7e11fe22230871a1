import type { Hex } from '../protocol/bytes.ts'
import { EntrantNotAdmittedError, verifySignedAdmission } from '../protocol/wire/admissionStatement.ts'
import type { Member } from '../protocol/wire/committee.ts'
import { type LogReader, NotInLogError } from './logReader.ts'

/**
 * Whether `member`, whose operator is to approve, has admitted everybody that would have a seat and has none: by its own signed
 * word, because who enters is for each operator's own member to judge (spec §8.2).
 *
 * @param deps.log of that member.
 * @throws {EntrantNotAdmittedError} it has not, or not any more. @throws {AdmissionUntrustedError} the log is another member's.
 */
export async function assertEntrantsAdmitted(
  { log, clock }: { log: Pick<LogReader, 'readAdmission'>; clock: { nowMs(): number } },
  {
    component,
    member,
    current,
    next,
  }: { component: Hex; member: Hex; current: readonly Hex[]; next: readonly Member[] },
): Promise<void> {
  for (const { signer: entrant } of next) {
    if (current.includes(entrant)) continue
    let text: string
    try {
      text = await log.readAdmission(entrant)
    } catch (error) {
      if (error instanceof NotInLogError) throw new EntrantNotAdmittedError({ entrant })
      throw error
    }
    const { endsAtMs } = verifySignedAdmission(text, { component, peer: entrant, member })
    if (endsAtMs < clock.nowMs()) throw new EntrantNotAdmittedError({ entrant })
  }
}
