import type { ComponentState } from '../../committee/execution.ts'
import { BatchRefusedError, createGenesis, type Executed, execute } from '../../committee/execution.ts'
import type { Block } from '../../committee/types.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import type { Machine } from '../../protocol/machine.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import { packWords } from '../../protocol/wire/typedData.ts'

export const COMPONENT: Hex = `0x${'c0'.repeat(32)}`

/** A chain of words. */
export type WordsState = { digest: Hex }

class WordRefusedError extends CoalitionError {
  constructor() {
    super('WORD_REFUSED', 'Not a word.', { fix: 'Send one.', kind: 'refused' })
  }
}

const WORD = 1

/**
 * The machine of the simulation: it appends words to its log. It runs through the real `execute`, which also decides who
 * sits and when the component retires; small, because a run executes it thousands of times.
 */
export const words: Machine<WordsState> = {
  version: 1,
  genesis: () => ({ digest: ZERO_BYTES32 }),
  validate(_state, { payload }) {
    if (payload[0] !== WORD) throw new WordRefusedError()
  },
  apply: ({ digest }, { payload }) => ({
    state: { digest: toHex(keccak256(new Uint8Array([...packWords([digest]), ...payload]))) },
    events: [payload],
  }),
  finish: (state) => ({ state, anchor: false, events: [] }),
  dueAtMs: () => undefined,
  items: ({ digest }) => [{ typehash: ZERO_BYTES32, key: ZERO_BYTES32, value: digest }],
  snapshot: ({ digest }) => packWords([digest]),
  restore: () => {
    throw new Error('the simulated disk keeps states as they are')
  },
}

/** A client’s address; never a member’s. */
export const clientOf = (index: number): Hex => `0x${'5b'.repeat(19)}${index.toString(16).padStart(2, '0')}`

/** A command of the words machine. */
export const encodeWord = (text: string): Uint8Array => new Uint8Array([WORD, ...new TextEncoder().encode(text)])

/**
 * An envelope as the world hands it out: its submitter's signature counts as checked, because only the world makes them.
 * `name` stands for its bytes, so no two envelopes have one name.
 */
export function createEnvelope(parameters: {
  name: string
  submitter: Hex
  sequence: bigint
  command: Uint8Array
}): VerifiedEnvelope {
  const { name, submitter, sequence, command } = parameters
  const bytes = new TextEncoder().encode(name)
  const envelope = { component: COMPONENT, submitter, sequence, commands: [command], signature: '0x' as Hex }
  return { envelope, bytes, digest: toHex(keccak256(bytes)), leafHash: hashLeaf(bytes) } as unknown as VerifiedEnvelope
}

/** The envelopes of one world by their bytes, as a key for maps. */
export const keyOfBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

export type ReplicaState = ComponentState<WordsState>
export type ExecutedWords = Executed<WordsState>

/** The component before its first commit, with the committee of epoch 0, ascending. */
export const createReplicaState = (signers: readonly Hex[]): ReplicaState =>
  createGenesis(words, {
    component: COMPONENT,
    parameters: new Uint8Array(0),
    members: signers.map((signer) => ({ signer })),
  })

export type ExecuteBlockParameters = {
  state: ReplicaState
  block: Block
  /** All that clients and members ever signed, by `keyOfBytes`. */
  envelopes: ReadonlyMap<string, VerifiedEnvelope>
}

/** @throws {BatchRefusedError} the block cannot be executed on this state. */
export function executeBlock({ state, block, envelopes }: ExecuteBlockParameters): ExecutedWords {
  const { batch, timestampMs, extensions } = block
  const verified = batch.map((bytes) => {
    const envelope = envelopes.get(keyOfBytes(bytes))
    if (envelope === undefined) throw new BatchRefusedError({ reason: 'nobody signed one of its envelopes' })
    return envelope
  })
  return execute(words, { state, batch: { envelopes: verified, timestampMs, extensions } })
}
