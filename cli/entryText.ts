import { type ChronicleEntry, decodeChronicleEntry } from '../protocol/wire/chronicleEntry.ts'
import { describeSuccessor } from '../protocol/wire/next.ts'
import { toJsonText } from './output.ts'

/** An entry as JSON has it: a statement as the text that it is, or as what UTF-8 makes of its bytes. */
export type PrintedEntry =
  | Exclude<ChronicleEntry, { kind: 'operatorStatement' }>
  | { kind: 'operatorStatement'; submitter: string; sequence: bigint; index: number; text: string }

/** What an entry of a Chronicle says; null where this release does not know its kind. */
export function toPrintedEntry(entry: Uint8Array): PrintedEntry | null {
  const decoded = decodeChronicleEntry(entry)
  if (decoded?.kind !== 'operatorStatement') return decoded ?? null
  const { kind, submitter, sequence, index, statement } = decoded
  return { kind, submitter, sequence, index, text: new TextDecoder().decode(statement) }
}

/** One line for people. What others chose is printed as a JSON string, so that it cannot look like words of ours. */
export function describeEntry(entry: PrintedEntry): string {
  switch (entry.kind) {
    case 'operatorStatement':
      return `${entry.submitter} stated: ${toJsonText(entry.text)}`
    case 'coalitionPublished':
      return `${entry.submitter} published coalition ${entry.coalitionId}, root ${entry.coalitionRoot}, config hash ${entry.configHash}`
    case 'coalitionSuperseded':
      return `coalition ${entry.coalitionId} was superseded by ${entry.supersededBy}`
    case 'citizenAdded':
      return `coalition ${entry.coalitionId} added the ${entry.citizenKind} ${entry.citizen} (${toJsonText(entry.label)})`
    case 'citizenRemoved':
      return `coalition ${entry.coalitionId} removed the ${entry.citizenKind} ${entry.citizen}`
    case 'committeeRotated':
      return `the ${entry.componentKind} ${entry.component} rotated at its height ${entry.height} to committee ${entry.newCommitteeHash} of epoch ${entry.newEpoch}, by commit ${entry.commitDigest}`
    case 'moduleRetired':
    case 'confluenceRetired':
      return `the ${entry.componentKind} ${entry.component} retired at its height ${entry.height}, by commit ${entry.commitDigest}; its successor: ${describeSuccessor(entry.successor)}; reason: ${toJsonText(entry.reason)}`
    case 'ownCommitteeRotated':
      return `this Chronicle rotated to a committee of ${entry.members.length} in epoch ${entry.newEpoch}`
    case 'ownRetirement':
      return `this Chronicle retired at height ${entry.effectiveHeight}; its successor: ${describeSuccessor(entry.successor)}; reason: ${toJsonText(entry.reason)}`
  }
}
