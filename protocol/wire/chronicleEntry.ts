import type { Hex } from '../bytes.ts'
import { isEqualBytes, toHex } from '../bytes.ts'
import {
  COMMITTEE_ROTATED_TYPEHASH,
  type CommitteeRotated,
  decodeCommitteeRotated,
  decodeRetirementMarker,
} from './governance.ts'
import { RETIREMENT_MARKER_TYPEHASH, type RetirementMarker } from './next.ts'
import { decodeOperatorStatement, OPERATOR_STATEMENT_TYPEHASH, type OperatorStatement } from './operatorStatement.ts'
import { deriveTypehash, packWords, packWordsAndBytes } from './typedData.ts'

/** What an entry of a Chronicle may be about (spec §10); later versions may add to it. */
export const ENTRY_KINDS = [
  'coalitionPublished',
  'coalitionSuperseded',
  'citizenAdded',
  'citizenRemoved',
  'committeeRotated',
  'moduleRetired',
  'confluenceRetired',
  'operatorStatement',
] as const
export type EntryKind = (typeof ENTRY_KINDS)[number]

/** By the number that a leaf has for it, less one. */
const CITIZEN_KINDS = ['lattice', 'organism'] as const
export type CitizenKind = (typeof CITIZEN_KINDS)[number]

/** What keeps a log and is named by a config, by the number that a leaf has for it, less one; `tickets` is the issuer. */
export const COMPONENT_KINDS = ['atlas', 'almanac', 'compute', 'tickets', 'confluence'] as const
export type ComponentKind = (typeof COMPONENT_KINDS)[number]

/** The commit of another component that a record rests on. */
type RecordedCommit = {
  /** Component key. */
  component: Hex
  componentKind: ComponentKind
  /** Component id: a confluence's is its fingerprint (spec §3). */
  componentId: Hex
  /** Of the commit. */
  height: bigint
  timestampMs: bigint
  commitDigest: Hex
}

/** An entry that the Chronicle's machine makes of a config, or of another component's certified commit (spec §10). */
export type AuditEntry =
  | {
      kind: 'coalitionPublished'
      coalitionId: Hex
      coalitionRoot: Hex
      /** keccak-256 of the config's canonical bytes. */
      configHash: Hex
      /** Who brought it. */
      submitter: Hex
    }
  | { kind: 'coalitionSuperseded'; coalitionId: Hex; supersededBy: Hex }
  | {
      kind: 'citizenAdded'
      /** The config that lists it, and the last one did not. */
      coalitionId: Hex
      /** Stable id. */
      citizen: Hex
      citizenKind: CitizenKind
      /** A lattice's name, or an organism's role. */
      label: string
    }
  | {
      kind: 'citizenRemoved'
      /** The config that does not list it any more. */
      coalitionId: Hex
      citizen: Hex
      citizenKind: CitizenKind
    }
  | (RecordedCommit & { kind: 'committeeRotated'; newEpoch: bigint; newCommitteeHash: Hex })
  | (RecordedCommit & {
      kind: 'moduleRetired' | 'confluenceRetired'
      /** Component key, or zero. */
      successor: Hex
      reason: string
    })

/** All that stands in a Chronicle's log. What its own committee decides of itself is there as in every component's log. */
export type ChronicleEntry =
  | AuditEntry
  | ({ kind: 'operatorStatement' } & OperatorStatement)
  | ({ kind: 'ownCommitteeRotated' } & CommitteeRotated)
  | ({ kind: 'ownRetirement' } & RetirementMarker)

export const COALITION_PUBLISHED_TYPEHASH: Hex = deriveTypehash(
  'CoalitionPublished(bytes32 coalitionId,bytes32 coalitionRoot,bytes32 configHash,address submitter)',
)
export const COALITION_SUPERSEDED_TYPEHASH: Hex = deriveTypehash(
  'CoalitionSuperseded(bytes32 coalitionId,bytes32 supersededBy)',
)
export const CITIZEN_ADDED_TYPEHASH: Hex = deriveTypehash(
  'CitizenAdded(bytes32 coalitionId,bytes32 citizen,uint8 kind,string label)',
)
export const CITIZEN_REMOVED_TYPEHASH: Hex = deriveTypehash(
  'CitizenRemoved(bytes32 coalitionId,bytes32 citizen,uint8 kind)',
)
const RECORDED =
  'bytes32 component,uint8 kind,bytes32 componentId,uint64 height,uint64 timestampMs,bytes32 commitDigest'
export const COMPONENT_ROTATED_TYPEHASH: Hex = deriveTypehash(
  `ComponentRotated(${RECORDED},uint64 newEpoch,bytes32 newCommitteeHash)`,
)
export const MODULE_RETIRED_TYPEHASH: Hex = deriveTypehash(`ModuleRetired(${RECORDED},bytes32 successor,string reason)`)
export const CONFLUENCE_RETIRED_TYPEHASH: Hex = deriveTypehash(
  `ConfluenceRetired(${RECORDED},bytes32 successor,string reason)`,
)

const utf8 = new TextEncoder()

/** `abi.encode(TYPEHASH, …)`, as the types above have it; a text stands last. */
export function encodeAuditEntry(entry: AuditEntry): Uint8Array {
  switch (entry.kind) {
    case 'coalitionPublished': {
      const { coalitionId, coalitionRoot, configHash, submitter } = entry
      return packWords([COALITION_PUBLISHED_TYPEHASH, coalitionId, coalitionRoot, configHash, submitter])
    }
    case 'coalitionSuperseded':
      return packWords([COALITION_SUPERSEDED_TYPEHASH, entry.coalitionId, entry.supersededBy])
    case 'citizenAdded': {
      const { coalitionId, citizen, citizenKind, label } = entry
      const words = [CITIZEN_ADDED_TYPEHASH, coalitionId, citizen, CITIZEN_KINDS.indexOf(citizenKind) + 1]
      return packWordsAndBytes(words, utf8.encode(label))
    }
    case 'citizenRemoved': {
      const { coalitionId, citizen, citizenKind } = entry
      return packWords([CITIZEN_REMOVED_TYPEHASH, coalitionId, citizen, CITIZEN_KINDS.indexOf(citizenKind) + 1])
    }
    case 'committeeRotated':
      return packWords([COMPONENT_ROTATED_TYPEHASH, ...wordsOfRecorded(entry), entry.newEpoch, entry.newCommitteeHash])
    default: {
      const typehash = entry.kind === 'moduleRetired' ? MODULE_RETIRED_TYPEHASH : CONFLUENCE_RETIRED_TYPEHASH
      return packWordsAndBytes([typehash, ...wordsOfRecorded(entry), entry.successor], utf8.encode(entry.reason))
    }
  }
}

const wordsOfRecorded = (of: RecordedCommit) => {
  const { component, componentKind, componentId, height, timestampMs, commitDigest } = of
  return [component, COMPONENT_KINDS.indexOf(componentKind) + 1, componentId, height, timestampMs, commitDigest]
}

/** What an entry says; undefined where it is of no kind that this release knows, or not the one canonical encoding. */
export function decodeChronicleEntry(entry: Uint8Array): ChronicleEntry | undefined {
  const typehash = toHex(entry.subarray(0, 32))
  switch (typehash) {
    case OPERATOR_STATEMENT_TYPEHASH: {
      const statement = decodeOperatorStatement(entry)
      return statement && { kind: 'operatorStatement', ...statement }
    }
    case COMMITTEE_ROTATED_TYPEHASH: {
      const rotated = decodeCommitteeRotated(entry)
      return rotated && { kind: 'ownCommitteeRotated', ...rotated }
    }
    case RETIREMENT_MARKER_TYPEHASH: {
      const marker = decodeRetirementMarker(entry)
      return marker && { kind: 'ownRetirement', ...marker }
    }
  }
  try {
    const audit = readAuditEntry(typehash, entry)
    return audit !== undefined && isEqualBytes(encodeAuditEntry(audit), entry) ? audit : undefined
  } catch {
    return undefined // a word that is too large, a list without such a number, bytes that are no text
  }
}

/** Whatever the words spell: that they spell nothing else is seen when it is encoded again. */
function readAuditEntry(typehash: Hex, entry: Uint8Array): AuditEntry | undefined {
  const word = (index: number): Hex => toHex(entry.subarray(32 * index, 32 * index + 32))
  const uint = (index: number): bigint => BigInt(word(index))
  const text = (index: number): string => {
    const from = Number(uint(index)) + 32
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      entry.subarray(from, from + Number(BigInt(toHex(entry.subarray(from - 32, from))))),
    )
  }
  const citizenKind = (index: number): CitizenKind => pick(CITIZEN_KINDS, uint(index))
  switch (typehash) {
    case COALITION_PUBLISHED_TYPEHASH: {
      const submitter: Hex = `0x${word(4).slice(26)}`
      return {
        kind: 'coalitionPublished',
        coalitionId: word(1),
        coalitionRoot: word(2),
        configHash: word(3),
        submitter,
      }
    }
    case COALITION_SUPERSEDED_TYPEHASH:
      return { kind: 'coalitionSuperseded', coalitionId: word(1), supersededBy: word(2) }
    case CITIZEN_ADDED_TYPEHASH: {
      const [coalitionId, citizen] = [word(1), word(2)]
      return { kind: 'citizenAdded', coalitionId, citizen, citizenKind: citizenKind(3), label: text(4) }
    }
    case CITIZEN_REMOVED_TYPEHASH:
      return { kind: 'citizenRemoved', coalitionId: word(1), citizen: word(2), citizenKind: citizenKind(3) }
    case COMPONENT_ROTATED_TYPEHASH:
    case MODULE_RETIRED_TYPEHASH:
    case CONFLUENCE_RETIRED_TYPEHASH: {
      const recorded: RecordedCommit = {
        component: word(1),
        componentKind: pick(COMPONENT_KINDS, uint(2)),
        componentId: word(3),
        height: uint(4),
        timestampMs: uint(5),
        commitDigest: word(6),
      }
      if (typehash === COMPONENT_ROTATED_TYPEHASH) {
        return { kind: 'committeeRotated', ...recorded, newEpoch: uint(7), newCommitteeHash: word(8) }
      }
      const kind = typehash === MODULE_RETIRED_TYPEHASH ? 'moduleRetired' : 'confluenceRetired'
      return { kind, ...recorded, successor: word(7), reason: text(8) }
    }
    default:
      return undefined
  }
}

function pick<T>(list: readonly T[], number: bigint): T {
  const found = list[Number(number) - 1]
  if (found === undefined) throw new RangeError(`there is no number ${number}`)
  return found
}

const KIND_BY_TYPEHASH: ReadonlyMap<Hex, EntryKind> = new Map([
  [COALITION_PUBLISHED_TYPEHASH, 'coalitionPublished'],
  [COALITION_SUPERSEDED_TYPEHASH, 'coalitionSuperseded'],
  [CITIZEN_ADDED_TYPEHASH, 'citizenAdded'],
  [CITIZEN_REMOVED_TYPEHASH, 'citizenRemoved'],
  [COMPONENT_ROTATED_TYPEHASH, 'committeeRotated'],
  [COMMITTEE_ROTATED_TYPEHASH, 'committeeRotated'],
  [MODULE_RETIRED_TYPEHASH, 'moduleRetired'],
  [RETIREMENT_MARKER_TYPEHASH, 'moduleRetired'],
  [CONFLUENCE_RETIRED_TYPEHASH, 'confluenceRetired'],
  [OPERATOR_STATEMENT_TYPEHASH, 'operatorStatement'],
])
/** Where the citizen's stable id stands in the leaves that are about one. */
const CITIZEN_AT_BYTES = 64

/** What a search finds an entry of a certified log by. */
export type EntryTopic = {
  kind: EntryKind
  /** Stable id; null where it is about no citizen. */
  citizen: Hex | null
}

/**
 * Under what an entry is found: its kind by its typehash alone, because a machine gives no other encoding of one. The
 * Chronicle's own rotations and retirement are found with those of the components that it watches. Undefined for a kind that
 * this release does not know.
 */
export function classifyEntry(entry: Uint8Array): EntryTopic | undefined {
  const kind = KIND_BY_TYPEHASH.get(toHex(entry.subarray(0, 32)))
  if (kind === undefined) return undefined
  const isOfCitizen = kind === 'citizenAdded' || kind === 'citizenRemoved'
  return { kind, citizen: isOfCitizen ? toHex(entry.subarray(CITIZEN_AT_BYTES, CITIZEN_AT_BYTES + 32)) : null }
}
