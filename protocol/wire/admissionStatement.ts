import { z } from 'zod'
import type { Hex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { isSignedBy } from './certificate.ts'
import { decodeJson, hexOf } from './decodeJson.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from './typedData.ts'

/** What a member states of a peer that it has admitted: the word of that member alone, for whoever trusts it (spec §8.2). */
export type AdmissionStatement = {
  /** Component key. */
  component: Hex
  /** Address of whom it admitted. */
  peer: Hex
  /** When the admission ends, milliseconds since 1970. */
  endsAtMs: number
}

export type SignedAdmission = AdmissionStatement & {
  /** EIP-2098, by the member that admitted. */
  signature: Hex
}

const TYPEHASH = deriveTypehash('Admission(bytes32 component,address peer,uint64 endsAtMs)')

/** What the member signs: EIP-712 typed data of the domain of spec §4. */
export const deriveAdmissionDigest = ({ component, peer, endsAtMs }: AdmissionStatement): Hex =>
  deriveSigningDigest(hashStruct(TYPEHASH, [component, peer, endsAtMs]))

export class AdmissionUntrustedError extends CoalitionError {
  constructor({ peer, reason }: { peer: Hex; reason: string }) {
    super('ADMISSION_UNTRUSTED', `That ${peer} is admitted cannot be believed: ${reason}.`, {
      fix: 'Give the log of your own member as --log: who enters a committee is for it to judge, not for another.',
      kind: 'refused',
    })
  }
}

export class EntrantNotAdmittedError extends CoalitionError {
  constructor({ entrant }: { entrant: Hex }) {
    super('ENTRANT_NOT_ADMITTED', `The approving member has not admitted ${entrant}, who would have a seat.`, {
      fix: 'See in /status of your own member whether it was refused, and why; once it is admitted, approve again.',
      kind: 'refused',
    })
  }
}

const SIGNED = z.strictObject({
  component: hexOf(32),
  peer: hexOf(20),
  endsAtMs: z.int().min(0),
  signature: hexOf(64),
})

export const encodeSignedAdmission = ({ component, peer, endsAtMs, signature }: SignedAdmission): string =>
  JSON.stringify({ component, peer, endsAtMs, signature })

/**
 * Reads what a member states of `peer`, and believes it only where `member` signed it.
 *
 * @throws {AdmissionUntrustedError} it is no statement, of another component or peer, or of another member.
 */
export function verifySignedAdmission(
  text: string,
  { component, peer, member }: { component: Hex; peer: Hex; member: Hex },
): AdmissionStatement {
  const untrusted = (reason: string): AdmissionUntrustedError => new AdmissionUntrustedError({ peer, reason })
  const { signature, ...statement } = decodeJson(text, { shape: SIGNED, refuse: untrusted })
  if (statement.component !== component) throw untrusted(`it is of component ${statement.component}`)
  if (statement.peer !== peer) throw untrusted(`it is about ${statement.peer}`)
  if (!isSignedBy({ digest: deriveAdmissionDigest(statement), signature, signer: member })) {
    throw untrusted(`${member} has not signed it`)
  }
  return statement
}
