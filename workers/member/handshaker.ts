import { randomBytes } from 'node:crypto'
import {
  answerRequest,
  createHandshake,
  type HandshakeInput,
  type HandshakeState,
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
  /**
   * The core is now the next epoch's. Whoever had a seat and had joined knows all that its key signed and goes on; any other
   * asks the new committee, of which it may have been one before.
   */
  enterEpoch(): void
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
  const { height, own } = core()
  let stored: StoredVotes = { height, own }
  let state = begin()

  function begin(): HandshakeState {
    const { committee, height } = core()
    return createHandshake({ committee, nonce: toHex(randomBytes(32)), stored, height })
  }

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
      const { committee, nonce, status } = state
      const result = authenticateHandshake(bytes, { committee, nonce: status === 'asking' ? nonce : null })
      if ('refused' in result) {
        const { refused } = result
        if (refused !== 'self' && refused !== 'asker') vitals.drop(refused)
        return
      }
      const { message } = result
      vitals.heard(message.signer)
      if (message.kind === 'answer') give({ kind: 'answerReceived', answer: message })
      else if (status !== 'halted') send(encodeHandshake(signHandshake(answerRequest(core(), message), sign)))
    },
    decided: ({ commit, certificate }) => give({ kind: 'decided', commit, certificate }),
    enterEpoch() {
      const { status, committee } = state
      if (status === 'halted') return
      const hasJoined = status === 'joined'
      if (hasJoined) stored = { height: core().height, own: new Map() }
      state = begin()
      if (hasJoined && committee.signers.includes(committee.self)) state = { ...state, status }
    },
  }
}
