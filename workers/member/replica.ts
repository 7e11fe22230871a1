import {
  type Batch,
  BatchRefusedError,
  type ComponentState,
  createGenesis,
  type Executed,
  execute,
  hasExtensions,
} from '../../committee/execution.ts'
import { decodeParentRecord, encodeParentRecord, type ParentRecord } from '../../committee/parentRecord.ts'
import { decodeSnapshot, encodeSnapshot } from '../../committee/snapshot.ts'
import type { Block, Effect } from '../../committee/types.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { appendToTiles } from '../../protocol/log/appendToTiles.ts'
import { proveInclusionInList } from '../../protocol/log/listProof.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import type { Machine } from '../../protocol/machine.ts'
import type { Acknowledgement } from '../../protocol/wire/acknowledgement.ts'
import { type Commit, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { decodeCommitRecord, encodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import type { Member } from '../../protocol/wire/committee.ts'
import { type Envelope, type VerifiedEnvelope, verifyEnvelope } from '../../protocol/wire/envelope.ts'
import type { Store } from './store.ts'

/** Bytes of verified envelopes that are remembered, so that one that came by queue is not verified again in a proposal. */
const REMEMBERED_MAX_BYTES = 32 << 20
/** Executions of the current height that are kept until one of them is decided. */
const EXECUTIONS_MAX = 16

export type Decision = Omit<Extract<Effect, { kind: 'decide' }>, 'kind' | 'commit'>

export type Replica<State> = ReturnType<typeof openReplica<State>>

/** This member's copy of its component: the state in memory, everything decided in the store. */
export function openReplica<State>(
  { machine, store }: { machine: Machine<State>; store: Store },
  { component, parameters, members }: { component: Hex; parameters: Uint8Array; members: readonly Member[] },
) {
  store.bindParameters(parameters)
  const snapshot = store.readState()
  let state: ComponentState<State> =
    snapshot === undefined
      ? createGenesis(machine, { component, parameters, members })
      : decodeSnapshot(machine, snapshot)
  store.verifyLog(state.log)
  const parentRecord = store.readParent()
  let parent: ParentRecord =
    parentRecord === undefined ? { signers: [], extensions: [] } : decodeParentRecord(parentRecord)
  const remembered = new Map<Hex, VerifiedEnvelope>()
  /** What the newest acknowledgements were proven from. */
  let acknowledged: DecisionProof | undefined
  const executions = new Map<Hex, Executed<State> & { batch: Batch }>()

  let rememberedBytes = 0
  let tell: (commit: Commit) => void = () => {}

  /** @throws {EnvelopeRefusedError} and what `screen` throws of an envelope that was not verified before. */
  const verify = (bytes: Uint8Array, screen?: (claimed: Envelope) => void): VerifiedEnvelope =>
    remembered.get(toHex(hashLeaf(bytes))) ??
    verifyEnvelope(bytes, screen === undefined ? { component } : { component, screen })

  /** Only what the pool took or a member proposed: a stranger's envelope gets no room. */
  function remember(envelope: VerifiedEnvelope): void {
    const name = toHex(envelope.leafHash)
    if (remembered.has(name)) return
    remembered.set(name, envelope)
    rememberedBytes += envelope.bytes.length
    for (const [oldest, { bytes }] of remembered) {
      if (rememberedBytes <= REMEMBERED_MAX_BYTES) break
      remembered.delete(oldest)
      rememberedBytes -= bytes.length
    }
  }

  function readDecision(height: bigint): DecisionProof {
    const record = store.readRecord(height)
    if (record === undefined) throw new Error(`height ${height} has envelopes and no record`)
    return { height, record: decodeCommitRecord(record), leafHashes: store.readBatch(height).map(hashLeaf) }
  }

  function forget(envelope: VerifiedEnvelope): void {
    if (remembered.delete(toHex(envelope.leafHash))) rememberedBytes -= envelope.bytes.length
  }

  /** @throws {BatchRefusedError} the batch cannot be executed on the current state. */
  function executeBatch(batch: Batch): Executed<State> {
    const executed = execute(machine, { state, batch })
    const oldest = executions.keys().next().value
    if (executions.size >= EXECUTIONS_MAX && oldest !== undefined) executions.delete(oldest)
    executions.set(executed.state.parent, { ...executed, batch })
    return executed
  }

  /**
   * Whose vote extensions the block has is the caller's to check: the core does where it votes, and a certificate names them.
   *
   * @throws {EnvelopeRefusedError | BatchRefusedError} the block cannot be executed on the current state.
   */
  function executeBlock(block: Block): Executed<State> {
    const built = [...executions.values()].find((executed) => isOf(executed, block))
    if (built !== undefined) return built // a proposer's own
    const { timestampMs, batch, extensions } = block
    if (block.parent !== state.parent) throw new BatchRefusedError({ reason: 'it has another parent' })
    if (extensions.length > 0 && !hasExtensions(machine)) {
      throw new BatchRefusedError({ reason: 'this component’s votes carry no extensions' })
    }
    const envelopes = batch.map((bytes) => verify(bytes))
    envelopes.forEach(remember)
    return executeBatch({ envelopes, timestampMs, extensions })
  }

  return {
    state: (): ComponentState<State> => state,
    verify,
    remember,
    /** Of the newest commit; nobody's and none before the first. */
    parent: (): ParentRecord => parent,
    executeBatch,
    executeBlock,

    /** Encoded vote extensions for the commit of `height`, a quorum's: the next proposal carries them, or is yet to. */
    readExtensionsFor: (height: bigint): readonly Uint8Array[] =>
      height === state.height ? parent.extensions : store.readExtensions(height + 1n),

    /** Calls `listener` with each commit once it is durable. One listener, which must not throw. */
    onDecided(listener: (commit: Commit) => void): void {
      tell = listener
    },

    /** Makes a decided commit durable and moves on to the next height. */
    decide(decision: Decision): readonly VerifiedEnvelope[] {
      const { commitDigest, certificate, proposal, signers, extensions } = decision
      // It was executed here before the vote, but many other proposals may have been since.
      if (!executions.has(commitDigest)) executeBlock(proposal)
      const executed = executions.get(commitDigest)
      if (executed === undefined) throw new Error(`${commitDigest} was decided and executing it gives another commit`)
      const { commit, body, entries, leafHashes, batch } = executed
      store.decide({
        height: commit.height,
        record: encodeCommitRecord({ commit, body, certificate }),
        anchor: commit.anchor,
        endsEpoch: commit.next !== ZERO_BYTES32,
        envelopes: batch.envelopes,
        extensions: batch.extensions,
        firstEntry: state.log.size,
        entries,
        tiles: appendToTiles(state.log, leafHashes).appends,
        state: encodeSnapshot(machine, executed.state),
        parent: encodeParentRecord({ signers, extensions }),
      })
      state = executed.state
      parent = { signers, extensions }
      executions.clear()
      batch.envelopes.forEach(forget)
      tell(commit)
      return batch.envelopes
    },

    /** The proof that an envelope was decided, or undefined where it was not. */
    acknowledge(digest: Hex): Acknowledgement | undefined {
      const place = store.findEnvelope(digest)
      if (place === undefined) return undefined
      // A decision answers many callers: its batch is read and hashed once for all of them.
      if (acknowledged?.height !== place.height) acknowledged = readDecision(place.height)
      const { record, leafHashes } = acknowledged
      return {
        record,
        index: place.position,
        count: leafHashes.length,
        proof: proveInclusionInList(leafHashes, place.position),
      }
    },
  }
}

/** Whether this very block was executed: one's own is compared by its parts, without hashing them again. */
function isOf<State>({ batch, commit, body }: Executed<State> & { batch: Batch }, block: Block): boolean {
  if (commit.timestampMs !== block.timestampMs || body.parent !== block.parent) return false
  const { envelopes, extensions } = batch
  if (envelopes.length !== block.batch.length || extensions.length !== block.extensions.length) return false
  return (
    block.batch.every((bytes, index) => bytes === envelopes[index]!.bytes) &&
    block.extensions.every((bytes, index) => bytes === extensions[index])
  )
}

type DecisionProof = Pick<Acknowledgement, 'record'> & { height: bigint; leafHashes: readonly Uint8Array[] }
