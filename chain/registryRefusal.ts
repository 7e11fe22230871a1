import { decodeErrorResult } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type Chain, findRevertData, request } from './connectChain.ts'
import { coalitionRegistryAbi } from './generated/coalitionRegistry.ts'
import { componentRegistryAbi } from './generated/componentRegistry.ts'
import { ticketVerifierAbi } from './generated/ticketVerifier.ts'

/** Everything that the registries, their libraries and the ticket verifier may revert with. */
const ERRORS = [...componentRegistryAbi, ...ticketVerifierAbi, ...coalitionRegistryAbi] as const

/** Names of the errors that the registries and their libraries revert with (contracts/interfaces/ explains each). */
export type RegistryErrorName = Extract<(typeof ERRORS)[number], { type: 'error' }>['name']

export class RegistryRefusedError extends CoalitionError {
  /** Undefined where the revert carries no error of the registry's. */
  readonly errorName: RegistryErrorName | undefined

  constructor({ errorName, args = [] }: { errorName: RegistryErrorName | undefined; args?: readonly unknown[] }) {
    const what = errorName === undefined ? 'without saying why' : `${errorName}(${args.map(String).join(', ')})`
    super('REGISTRY_REFUSED', `The registry refused: ${what}.`, {
      fix: (errorName && FIXES[errorName]) ?? 'See the error of that name in contracts/interfaces/.',
      kind: 'refused',
      isRetryable: errorName === 'ComponentRegistryNotNewest' || errorName === 'ComponentRegistryTimestampAhead',
    })
    this.errorName = errorName
  }
}

const FIXES: Partial<Record<RegistryErrorName, string>> = {
  AnchorCallMalformed: 'Encode the anchor with encodeAnchor; its counts must add up to its size.',
  CertificatesNoQuorum: 'Gather the signatures of n − ⌊(n − 1)/3⌋ members.',
  CertificatesOtherCommittee: 'Check that the signatures are over this very commit and round, by the head’s committee.',
  ComponentRegistryHeightNotIncreasing: 'Anchor a commit that is higher than the anchored one.',
  ComponentRegistryNotInWindow: 'Take a newer head: only the newest eight verify.',
  ComponentRegistryNotNewest: 'Read the newest head again and start from it: another anchor came first.',
  ComponentRegistryRetired: 'Bind to the successor that its retirement names, if any.',
  ComponentRegistrySizeNotIncreasing: 'Anchor a commit whose log has more leaves than the anchored one.',
  ComponentRegistryTimestampAhead:
    'Wait until the chain’s time is within a minute of the commit’s, or check the clocks.',
  TicketVerifierExpired: 'Ask the issuer for a new ticket.',
  TicketVerifierIssuerRetired: 'Ask the issuer’s successor, if its retirement names one, for a new ticket.',
  TicketVerifierOtherAudience: 'Show the ticket where it is for, or ask for one for this audience.',
  ComponentRegistryUnknown: 'Register the component first, with its genesis committee.',
  Rfc9162RootMismatch: 'The proof does not fit the roots. If it was made from the log itself, the log was rewritten.',
}

/** Runs a call to the registry and turns its revert into a `RegistryRefusedError`. */
export async function callRegistry<T>({ host }: Chain, run: () => Promise<T>): Promise<T> {
  try {
    return await request(host, run)
  } catch (error) {
    const data = findRevertData(error)
    throw data === undefined ? error : toRefusal(data)
  }
}

/** @returns The refusal that `data`, a revert's, says; one without a name where it is none of the registry's. */
export function toRefusal(data: Hex): RegistryRefusedError {
  try {
    return new RegistryRefusedError(decodeErrorResult({ abi: ERRORS, data }) as Named)
  } catch {
    return new RegistryRefusedError({ errorName: undefined })
  }
}

type Named = { errorName: RegistryErrorName; args?: readonly unknown[] }
