import { CoalitionError } from '../protocol/errors.ts'

export class MalformedMessageError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('MALFORMED_MESSAGE', `A committee message cannot be read: ${reason}.`, {
      fix: 'Run the same release on every member; a peer that keeps sending such bytes is faulty.',
      kind: 'refused',
    })
  }
}
