import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { assertCompactRange } from '../protocol/log/compactRange.ts'
import { rootOfRange } from '../protocol/log/treeRoot.ts'
import type { Machine } from '../protocol/machine.ts'
import { type Commit, deriveCommitDigest, ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import {
  decodeCommitteeRotated,
  decodeRetirementMarker,
  encodeCommitteeRotated,
  encodeRetirementMarker,
} from '../protocol/wire/governance.ts'
import { deriveStateRoot } from '../protocol/wire/stateTree.ts'
import { type ComponentState, listStateItems } from './execution.ts'
import { createGovernance } from './governance.ts'

const FIELDS = parseAbiParameters(
  'uint32 machineVersion, bytes32 component, uint64 epoch, uint64 height, bytes32 parent, uint64 timestampMs, uint64 logSize, bytes32[] logHashes, address[] submitters, uint64[] sequences, bytes committee, address[] approvers, bytes[] approvals, bytes retirement, bytes machine',
)

export class SnapshotRefusedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('SNAPSHOT_REFUSED', `A snapshot cannot be restored: ${reason}.`, {
      fix: 'Restore it with the release that made it, or fetch another from a peer.',
      kind: 'refused',
    })
  }
}

/** Canonical bytes of all that the next commit is computed from. */
export function encodeSnapshot<State>(machine: Machine<State>, state: ComponentState<State>): Uint8Array {
  const { component, epoch, height, parent, timestampMs, log } = state
  const sequences = [...state.sequences].sort(([a], [b]) => (a < b ? -1 : 1))
  const { members, approvals, retirement } = state.governance
  const standing = [...approvals].sort(([a], [b]) => (a < b ? -1 : 1))
  return fromHex(
    encodeAbiParameters(FIELDS, [
      machine.version,
      component,
      epoch,
      height,
      parent,
      timestampMs,
      log.size,
      log.hashes.map(toHex),
      sequences.map(([submitter]) => submitter),
      sequences.map(([, sequence]) => sequence),
      toHex(encodeCommitteeRotated({ newEpoch: epoch, members })),
      standing.map(([member]) => member),
      standing.map(([, payload]) => toHex(payload)),
      retirement === null ? '0x' : toHex(encodeRetirementMarker(retirement)),
      toHex(machine.snapshot(state.machine)),
    ]),
  )
}

/**
 * The exact inverse of `encodeSnapshot`.
 *
 * @throws {SnapshotRefusedError} of another machine version, or not canonical.
 * @throws what the machine's `restore` throws.
 */
export function decodeSnapshot<State>(machine: Machine<State>, bytes: Uint8Array): ComponentState<State> {
  let fields: ReturnType<typeof decodeFields>
  try {
    fields = decodeFields(bytes)
  } catch {
    throw new SnapshotRefusedError({ reason: 'it is not ABI-encoded as one' })
  }
  const [version, component, epoch, height, parent, timestampMs, size, hashes, submitters, sequences, ...rest] = fields
  const [committee, approvers, approvals, retirement, machineBytes] = rest
  const rotated = decodeCommitteeRotated(fromHex(committee))
  if (rotated === undefined) throw new SnapshotRefusedError({ reason: 'its committee is none' })
  if (version !== machine.version) throw new SnapshotRefusedError({ reason: `it is of machine version ${version}` })
  const log = { size, hashes: hashes.map(fromHex) }
  assertCompactRange(log)
  const state: ComponentState<State> = {
    component,
    epoch,
    height,
    parent,
    timestampMs,
    log,
    sequences: new Map(submitters.map((submitter, index) => [toAddress(submitter), sequences[index] ?? 0n])),
    governance: {
      ...createGovernance(rotated.members),
      approvals: new Map(approvers.map((member, index) => [toAddress(member), fromHex(approvals[index] ?? '0x')])),
      retirement: decodeRetirementMarker(fromHex(retirement)) ?? null,
    },
    machine: machine.restore(fromHex(machineBytes)),
  }
  if (!isEqualBytes(encodeSnapshot(machine, state), bytes)) {
    throw new SnapshotRefusedError({ reason: 'its encoding is not canonical' })
  }
  return state
}

/** The first part of a state that is not as `commit` left it; together they are all that the next height follows from. */
export function findStateDifference<State>(
  machine: Machine<State>,
  { state, commit }: { state: ComponentState<State>; commit: Commit },
): string | undefined {
  const { component, epoch, governance, log } = state
  const isRotation = commit.next !== ZERO_BYTES32 && governance.retirement === null
  const expected = {
    component: [component, commit.component],
    epoch: [epoch, isRotation ? commit.epoch + 1n : commit.epoch],
    parent: [state.parent, deriveCommitDigest(commit)],
    time: [state.timestampMs, commit.timestampMs],
    'log size': [log.size, commit.logSize],
    'log root': [toHex(rootOfRange(log)), commit.logRoot],
    'state root': [deriveStateRoot(listStateItems(machine, state)), commit.state],
  }
  return Object.entries(expected).find(([, [found, committed]]) => found !== committed)?.[0]
}

const toAddress = (address: Hex): Hex => address.toLowerCase() as Hex

const decodeFields = (bytes: Uint8Array) => decodeAbiParameters(FIELDS, bytes)
