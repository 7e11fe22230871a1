import { CoalitionError } from '../errors.ts'

export class ProofLengthError extends CoalitionError {
  constructor({ length }: { length: number }) {
    super('PROOF_LENGTH', `A proof of ${length} hash(es) is not what these sizes and this index ask for.`, {
      fix: 'Treat it as no proof. Ask for one made for exactly these sizes and this index.',
      kind: 'refused',
    })
  }
}
