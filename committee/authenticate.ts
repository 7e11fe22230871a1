import type { Hex } from '../protocol/bytes.ts'
import { isSignedBy } from '../protocol/wire/certificate.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { SIGNATURE_SIZE_BYTES } from '../protocol/wire/signature.ts'
import { decodeHeader, decodeMessage, type MessageHeader } from './codec.ts'
import { deriveProposer } from './committee.ts'
import { deriveMessageDigest, derivePrevoteDigest } from './digest.ts'
import { decodeExtension, deriveExtensionDigest } from './extension.ts'
import { MalformedMessageError } from './malformedMessage.ts'
import { type CommitteeState, findStored } from './state.ts'
import type { AuthenticatedMessage, SignedMessage, SignedPrecommit, SignedProposal } from './types.ts'

/** Why bytes were refused, for counting; in the order in which it is looked for, cheap to dear. */
export const REFUSALS = [
  'malformed',
  'component',
  'epoch',
  'heightBehind',
  'heightAhead',
  'membership',
  'proposer',
  'duplicate',
  'signature',
  'extension',
  'proof',
] as const
export type Refusal = (typeof REFUSALS)[number]

export type Authenticated =
  | { message: AuthenticatedMessage }
  /**
   * `header` where one could be read: who is behind can be served a decision, and who hears of a height ahead can ask
   * for one. It is a claim of whoever sent it.
   */
  | { refused: Refusal; header?: MessageHeader }

export type SignatureCheck = (parameters: { digest: Hex; signature: Hex; signer: Hex }) => boolean

/**
 * Reads bytes from the transport, and lets pass only what a member of this committee signed for this height or the next
 * (spec §5.3). Costs a stranger's bytes no more than their first fault.
 *
 * @param options.isSigned whether `signer` signed `digest`; never throws. By default the portable one.
 */
export function authenticate(
  bytes: Uint8Array,
  options: { state: CommitteeState; isSigned?: SignatureCheck },
): Authenticated {
  const { state, isSigned = isSignedBy } = options
  let header: MessageHeader | undefined
  try {
    header = decodeHeader(bytes)
    const refused = refuseHeader(header, state)
    if (refused !== null) return { refused, header }
    const message = decodeMessage(bytes)
    const unsigned = refuseSignatures(message, { state, isSigned })
    return unsigned === null ? { message: message as AuthenticatedMessage } : { refused: unsigned, header }
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error
    return header === undefined ? { refused: 'malformed' } : { refused: 'malformed', header }
  }
}

function refuseHeader(header: MessageHeader, state: CommitteeState): Refusal | null {
  const { committee, height } = state
  if (header.component !== committee.component) return 'component'
  if (header.epoch !== committee.epoch) return 'epoch'
  if (header.height < height) return 'heightBehind'
  if (header.height > height + 1n) return 'heightAhead'
  if (!committee.signers.includes(header.signer)) return 'membership'
  if (header.kind === 'proposal' && deriveProposer(committee.signers, header) !== header.signer) return 'proposer'
  return findStored(state, header) ? 'duplicate' : null
}

type SignatureContext = { state: CommitteeState; isSigned: SignatureCheck }

function refuseSignatures(message: SignedMessage, context: SignatureContext): Refusal | null {
  const { signer, signature } = message
  if (!context.isSigned({ digest: deriveMessageDigest(message), signature, signer })) return 'signature'
  if (message.kind === 'precommit') return isExtensionSigned(message, context) ? null : 'extension'
  if (message.kind === 'prevote') return null
  if (!areExtensionsSigned(message, context)) return 'extension'
  return isProofSigned(message, context) ? null : 'proof'
}

/** A precommit of a value without its extension would let a quorum decide that the next proposer cannot build on. */
function isExtensionSigned(message: SignedPrecommit, { state, isSigned }: SignatureContext): boolean {
  const { signer, component, height, round, commitDigest, extension: data, extensionSignature: signature } = message
  const isExpected = state.committee.hasExtensions && commitDigest !== null
  if (data === null || signature === null || commitDigest === null) return !isExpected
  const digest = deriveExtensionDigest({ component, height, round, commitDigest, data })
  return isExpected && isSigned({ digest, signature, signer })
}

/** Whose extensions they must be is the core's to check: it knows the commit that they are for. */
function areExtensionsSigned(proposal: SignedProposal, { state, isSigned }: SignatureContext): boolean {
  if (!state.committee.hasExtensions) return proposal.extensions.length === 0
  return proposal.extensions.every((encoded) => {
    const extension = decodeExtension(encoded)
    const { signature, signer } = extension
    return isSigned({ digest: deriveExtensionDigest(extension), signature, signer })
  })
}

/** A quorum's prevotes of the proposed value in its valid round (paper, line 28). */
function isProofSigned(proposal: SignedProposal, { state, isSigned }: SignatureContext): boolean {
  const { proof, validRound, component, epoch, height, commitDigest } = proposal
  if (proof === null) return validRound < 0
  const { signers } = state.committee
  if (proof.round !== validRound || proof.signers >> BigInt(signers.length) !== 0n) return false
  const present = signers.filter((_, index) => (proof.signers >> BigInt(index)) & 1n)
  if (present.length !== quorumOf(signers.length)) return false
  if (proof.signatures.length !== 2 + 2 * SIGNATURE_SIZE_BYTES * present.length) return false
  const digest = derivePrevoteDigest({ component, epoch, height, round: validRound, commitDigest })
  return present.every((signer, position) => {
    const from = 2 + 2 * SIGNATURE_SIZE_BYTES * position
    return isSigned({ digest, signature: `0x${proof.signatures.slice(from, from + 2 * SIGNATURE_SIZE_BYTES)}`, signer })
  })
}
