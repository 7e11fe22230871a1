import { Command, InvalidArgumentError } from 'commander'
import { locateEntry } from '../../client/locateStatements.ts'
import { createLogReader } from '../../client/logReader.ts'
import { prepareRecord } from '../../client/prepareRecord.ts'
import { readComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { CoalitionConfig } from '../../protocol/identity/coalition.ts'
import { resolveGenesis } from '../../protocol/identity/component.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { decodeChronicleEntry } from '../../protocol/wire/chronicleEntry.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { readMembers } from '../members.ts'
import { print } from '../output.ts'
import { addSubmissionOptions, openSubmission, type SubmissionOptions } from '../submission.ts'

type RecordOptions = SubmissionOptions & {
  config: string
  component: string
  from: string
  epoch: bigint
  members?: string
}

type Recorded = {
  /** Of what ended. */
  component: Hex
  end: 'rotation' | 'retirement'
  epoch: bigint
  commitDigest: Hex
  sequence: bigint
  height: bigint
  round: number
  index: bigint
}

export const recordCommand = (): Command =>
  addSubmissionOptions(
    new Command('record')
      .description('record that another component’s committee rotated, or that it retired, with the proof of it')
      .requiredOption('--config <file>', 'coalition.json that names the Chronicle and the component')
      .requiredOption('--component <name>', 'atlas, almanac, compute, tickets, a confluence’s name, or a component key')
      .requiredOption('--from <url>', 'log of any member of that component')
      .requiredOption('--epoch <number>', 'the epoch that ended', toEpoch)
      .option('--members <file>', 'its genesis committee, where the config gives the hash alone; - for standard input'),
  )
    .addHelpText(
      'after',
      `
The component's log is followed from its genesis committee to the end of the epoch; the Chronicle's members check the same once
more, and take it only where a config that was published there names the component and the epochs before are recorded.
Example:
  coalition chronicle record --config coalition.json --component atlas --from http://127.0.0.1:4200 --epoch 0 \\
    --key submitter.json --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(record)

async function record({ config, component: name, from, epoch, members, ...options }: RecordOptions): Promise<void> {
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const component = findComponent(chronicle.coalition, name)
  const spelled = members === undefined ? component.genesis.members : await readMembers(members)
  // The hash that the config gives must be that of the members, whoever gives them.
  const genesis = resolveGenesis({ committee: component.genesis.committee, members: spelled }, { field: name })
  if (genesis.members === undefined) throw new GenesisUnknownError({ name })
  const owner = { component: component.componentKey(), kind: name }
  const end = await prepareRecord(
    { log: createLogReader({ url: from, of: owner }) },
    { component: owner.component, members: genesis.members, epoch },
  )
  const commitDigest = deriveCommitDigest(end.commit)
  const submission = await openSubmission(chronicle, options)
  const { log, first: sequence } = submission
  try {
    const { record } = await submission.submit([encodeChronicleCommand(end)], { sequence })
    const isWanted = (entry: Uint8Array): boolean => {
      const decoded = decodeChronicleEntry(entry)
      return decoded !== undefined && 'commitDigest' in decoded && decoded.commitDigest === commitDigest
    }
    const { index } = await locateEntry({ log }, { commit: record.commit, isWanted })
    const recorded: Recorded = {
      component: end.commit.component,
      end: end.kind === 'recordRotation' ? 'rotation' : 'retirement',
      epoch,
      commitDigest,
      sequence,
      height: record.commit.height,
      round: record.certificate.round,
      index,
    }
    print(recorded, { json: options.json, text: describeRecorded })
  } finally {
    await submission.close()
  }
}

const describeRecorded = ({ component, end, epoch, sequence, height, index }: Recorded): string =>
  `recorded the ${end} that ended epoch ${epoch} of ${component}  sequence ${sequence}  height ${height}  entry ${index}`

type NamedComponent = { componentKey(): Hex; genesis: ReturnType<typeof resolveGenesis> }

/** @throws {ComponentNotNamedError} */
function findComponent(coalition: CoalitionConfig, name: string): NamedComponent {
  const { ticketIssuer, confluences } = coalition
  const named: [string, NamedComponent][] = [
    ...coalition.modules().map((each): [string, NamedComponent] => [each.name, each]),
    ...(ticketIssuer === undefined ? [] : ([['tickets', ticketIssuer]] satisfies [string, NamedComponent][])),
    ...confluences.map((each): [string, NamedComponent] => [each.name, each]),
  ]
  const found = named.find(([each, component]) => each === name || component.componentKey() === name)
  if (found === undefined) throw new ComponentNotNamedError({ name })
  return found[1]
}

export class ComponentNotNamedError extends CoalitionError {
  constructor({ name }: { name: string }) {
    super('COMPONENT_NOT_NAMED', `The config names no component ${JSON.stringify(name)}.`, {
      fix: 'Give atlas, almanac, compute, tickets, the name of a confluence that the config lists, or a component key of these.',
    })
  }
}

export class GenesisUnknownError extends CoalitionError {
  constructor({ name }: { name: string }) {
    super('GENESIS_UNKNOWN', `The config gives only the hash of the genesis committee of ${name}.`, {
      fix: 'Give its members with --members FILE: what coalition key show --json prints for each.',
    })
  }
}

function toEpoch(text: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,17})$/.test(text))
    throw new InvalidArgumentError('Give a whole number, without leading zeros.')
  return BigInt(text)
}
