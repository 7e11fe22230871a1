import { randomBytes } from 'node:crypto'
import {
  answerRequest,
  createHandshake,
  type HandshakeInput,
  type StoredVotes,
  stepHandshake,
} from '../../committee/handshake.ts'
import { authenticateHandshake, encodeHandshake, signHandshake } from '../../committee/handshakeMessage.ts'
import type { CommitteeState } from '../../committee/state.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import type { CertifiedCommit } from '../../protocol/wire/certificate.ts'
import type { Vitals } from './vitals.ts'

export type Handshaker = {
  isAsking(): boolean
  /** At the start, and at intervals until it joins. */
  requestDue(): void
  /** A handshake frame: a peer's answer to this member, or a request that this one answers. */
  receive(bytes: Uint8Array): void
  /** A commit was decided by catching up. */
  decided(certified: CertifiedCommit): void
}

export type HandshakerDependencies = {
  core(): CommitteeState
  sign(digest: Hex): Hex
  send(bytes: Uint8Array): void
  /** A quorum has answered and none knows of a newer vote: the core may start. */
  onJoin(): void
  /** Counts what was dropped, and who was heard. */
  vitals: Vitals
  /** This member signed at that place what its store does not know. */
  onLost(place: { height: bigint; round: number }): void
}

/** Asks the peers what this member signed last before it signs again (spec §5.4), and answers those that ask. */
export function createHandshaker(deps: HandshakerDependencies): Handshaker {
  const { core, sign, send, vitals, onJoin, onLost } = deps
  const { committee, height, own } = core()
  const stored: StoredVotes = { height, own }
  const nonce = toHex(randomBytes(32))
  let state = createHandshake({ committee, nonce, stored, height })

  function give(input: HandshakeInput): void {
    const transition = stepHandshake(state, input)
    state = transition.state
    for (const effect of transition.effects) {
      if (effect.kind === 'request') send(encodeHandshake(signHandshake(effect.message, sign)))
      else if (effect.kind === 'join') onJoin()
      else onLost(effect)
    }
  }

  return {
    isAsking: () => state.status === 'asking',
    requestDue: () => give({ kind: 'requestDue' }),
    receive(bytes) {
      const result = authenticateHandshake(bytes, { committee, nonce: state.status === 'asking' ? nonce : null })
      if ('refused' in result) {
        const { refused } = result
        if (refused !== 'self' && refused !== 'asker') vitals.drop(refused)
        return
      }
      const { message } = result
      vitals.heard(message.signer)
      if (message.kind === 'answer') give({ kind: 'answerReceived', answer: message })
      else if (state.status !== 'halted') send(encodeHandshake(signHandshake(answerRequest(core(), message), sign)))
    },
    decided: ({ commit, certificate }) => give({ kind: 'decided', commit, certificate }),
  }
}
