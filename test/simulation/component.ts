import type { ComponentState } from '../../committee/execution.ts'
import { createGenesis, type Executed, execute } from '../../committee/execution.ts'
import type { Block } from '../../committee/types.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import type { Machine } from '../../protocol/machine.ts'
import { deriveCommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import { hashRotation } from '../../protocol/wire/next.ts'
import { packWords } from '../../protocol/wire/typedData.ts'

export const COMPONENT: Hex = `0x${'c0'.repeat(32)}`

/** A chain of words, and which of the world's memberships keeps it. */
export type WordsState = { digest: Hex; membership: number }

class WordRefusedError extends CoalitionError {
  constructor() {
    super('WORD_REFUSED', 'Not a word, or not the next rotation.', { fix: 'Send one that is.', kind: 'refused' })
  }
}

const WORD = 1
const ROTATE = 2

/**
 * The component of the simulation: it appends words to its log, and a command of its own rotates the committee. It runs
 * through the real `execute`; small, because a run executes it thousands of times.
 */
export const words: Machine<WordsState> = {
  version: 1,
  genesis: () => ({ digest: ZERO_BYTES32, membership: 0 }),
  validate({ membership }, { payload }) {
    const isNext = payload[0] === ROTATE && payload[1] === membership + 1
    if (payload[0] !== WORD && !isNext) throw new WordRefusedError()
  },
  apply: ({ digest, membership }, { payload }) => ({
    state: {
      digest: toHex(keccak256(new Uint8Array([...packWords([digest]), ...payload]))),
      membership: payload[0] === ROTATE ? membership + 1 : membership,
    },
    events: [payload],
  }),
  finish: (state) => ({ state, anchor: false, events: [] }),
  dueAtMs: () => undefined,
  items: ({ digest, membership }) => [{ typehash: ZERO_BYTES32, key: toHex(packWords([membership])), value: digest }],
  snapshot: ({ digest, membership }) => packWords([digest, membership]),
  restore: () => {
    throw new Error('the simulated disk keeps states as they are')
  },
}

/** An envelope as the world hands it out: its submitter's signature counts as checked, because only the world makes them. */
export function createEnvelope(parameters: {
  submitter: number
  sequence: bigint
  rotateTo?: number
}): VerifiedEnvelope {
  const { submitter, sequence, rotateTo } = parameters
  const text = new TextEncoder().encode(`${submitter}/${sequence}`)
  const payload = rotateTo === undefined ? new Uint8Array([WORD, ...text]) : new Uint8Array([ROTATE, rotateTo])
  const address: Hex = `0x${'5b'.repeat(19)}${submitter.toString(16).padStart(2, '0')}`
  const envelope = { component: COMPONENT, submitter: address, sequence, commands: [payload], signature: '0x' as Hex }
  const digest = toHex(packWords([submitter, sequence]))
  return { envelope, bytes: text, digest, leafHash: hashLeaf(text) } as unknown as VerifiedEnvelope
}

/** The envelopes of one world by their bytes, as a key for maps. */
export const keyOfBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

export type ReplicaState = ComponentState<WordsState>
export type ExecutedWords = Executed<WordsState> & { envelopes: readonly VerifiedEnvelope[] }

export const createReplicaState = (): ReplicaState =>
  createGenesis(words, {
    component: COMPONENT,
    parameters: new Uint8Array(0),
    // The world keeps the memberships, and its machine's own command rotates them.
    members: [{ signer: `0x${'5b'.repeat(20)}` }],
  })

export type ExecuteBlockParameters = {
  state: ReplicaState
  block: Block
  /** All that clients ever signed, by `keyOfBytes`. */
  envelopes: ReadonlyMap<string, VerifiedEnvelope>
  /** Committees in the order of their epochs. */
  memberships: readonly (readonly Hex[])[]
}

/** @throws {CoalitionError} the block cannot be executed on this state. */
export function executeBlock({ state, block, envelopes, memberships }: ExecuteBlockParameters): ExecutedWords {
  const { batch, timestampMs, extensions } = block
  const verified = batch.map((bytes) => {
    const envelope = envelopes.get(keyOfBytes(bytes))
    if (envelope === undefined) throw new WordRefusedError()
    return envelope
  })
  const executed = execute(words, { state, batch: { envelopes: verified, timestampMs, extensions } })
  const { membership } = executed.state.machine
  if (membership === state.machine.membership) return { ...executed, envelopes: verified }
  const newEpoch = state.epoch + 1n
  const newCommitteeHash = deriveCommitteeHash(memberships[membership]!.map((signer) => ({ signer })))
  const next = hashRotation({ component: COMPONENT, newEpoch, newCommitteeHash })
  const commit = { ...executed.commit, anchor: true, next }
  const parent = deriveCommitDigest(commit)
  return { ...executed, commit, envelopes: verified, state: { ...executed.state, epoch: newEpoch, parent } }
}
