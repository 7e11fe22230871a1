import { CoalitionError, type CoalitionErrorOptions } from '../errors.ts'

/**
 * The root of every refusal of a quote or of its collateral (spec §8.1). The code names the check that failed; the
 * message says against what value. Each code has a heading in docs/errors.md and a row in docs/integrators/attestation.md.
 */
export abstract class AttestationError<Code extends string = string> extends CoalitionError {
  declare readonly code: Code

  constructor(code: Code, message: string, options: Omit<CoalitionErrorOptions, 'isRetryable'>) {
    super(code, message, { kind: 'refused', ...options })
  }
}
