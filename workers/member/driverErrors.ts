import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'

export class UndecidedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('UNDECIDED', `The envelope is not decided: ${reason}.`, {
      fix: 'Ask again: the envelope waits with the members, and a repeat counts once.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export class KeyElsewhereError extends CoalitionError {
  constructor({ signer }: { signer: Hex }) {
    super('KEY_ELSEWHERE', `The key ${signer} signs somewhere else, too, or this store was restored from a backup.`, {
      fix: 'This member has stopped for good: find the other process, then return by rotation with a fresh key.',
      kind: 'refused',
    })
  }
}
