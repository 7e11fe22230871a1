import { Command, Option } from 'commander'
import { createEpochs } from '../../client/epochs.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readComponent } from '../../client/readComponent.ts'
import { searchChronicle } from '../../client/searchChronicle.ts'
import type { SearchHit } from '../../client/searchPage.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { countOf } from '../../protocol/errors.ts'
import { ENTRY_KINDS, type EntryKind } from '../../protocol/wire/chronicleEntry.ts'
import { toCitizen, toIndex, toTimeMs } from '../arguments.ts'
import { describeEntry, type PrintedEntry, toPrintedEntry } from '../entryText.ts'
import { print, say } from '../output.ts'

type SearchOptions = {
  config: string
  log: string
  citizen?: Hex
  kind?: EntryKind
  from?: number
  to?: number
  after?: bigint
  json?: boolean
}

type Found = {
  component: Hex
  /** The span of entries that the member's index covers: what stands outside it was not searched. */
  firstIndex: bigint
  size: bigint
  hits: (SearchHit & { decoded: PrintedEntry | null })[]
  isComplete: boolean
}

export const searchCommand = (): Command =>
  new Command('search')
    .description('find entries by citizen, kind and time in a member’s index, and prove each that it names')
    .requiredOption('--config <file>', 'coalition.json that names the Chronicle')
    .requiredOption('--log <url>', 'log of any member')
    .option('--citizen <id>', 'stable id of a citizen, or the 20 bytes that it begins with', toCitizen)
    .addOption(new Option('--kind <kind>', 'what the entry is').choices(ENTRY_KINDS))
    .option('--from <time>', 'decided then or later: RFC 3339, or seconds since 1970', toTimeMs)
    .option('--to <time>', 'decided before then', toTimeMs)
    .option('--after <index>', 'only entries behind this one: the next page', toIndex)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Each hit is proven from the log: certificate, height, time, inclusion, kind and citizen. That nothing was left out is not: ask
several members where that matters, or read the log.
It exits 1 where a hit does not hold.
Example:
  coalition chronicle search --config coalition.json --log http://127.0.0.1:4100 --kind citizenAdded --from 2026-01-01T00:00:00Z`,
    )
    .action(search)

async function search({ config, log: url, citizen, kind, from, to, after, json }: SearchOptions): Promise<void> {
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const log = createLogReader({ url, of: chronicle })
  // Nothing was decided before 1970.
  const toMs = (time: number | undefined) => (time === undefined ? undefined : BigInt(Math.max(0, time)))
  const query = { citizen, kind, fromMs: toMs(from), toMs: toMs(to), after }
  const { hits, ...page } = await searchChronicle({ log }, { epochs: createEpochs(chronicle), query })
  const found: Found = {
    component: chronicle.component,
    ...page,
    hits: hits.map(({ entry, ...hit }) => ({ ...hit, decoded: toPrintedEntry(entry) })),
  }
  if (page.firstIndex > 0n)
    say(`the index of this member begins at entry ${page.firstIndex}: ask another for older ones`)
  print(found, { json, text: describeFound })
}

const describeFound = ({ hits, size, isComplete }: Found): string =>
  [
    ...hits.map(({ index, height, timestampMs, kind, decoded }) => {
      const time = new Date(Number(timestampMs)).toISOString()
      return `${index}  ${time}  height ${height}  ${decoded === null ? kind : describeEntry(decoded)}`
    }),
    isComplete
      ? `no more among the ${countOf(size, 'entry')} that the index has`
      : `there are more: go on with --after ${hits.at(-1)?.index}`,
  ].join('\n')
