import { Command } from 'commander'
import { locateStatements } from '../../client/locateStatements.ts'
import { readComponent } from '../../client/readComponent.ts'
import { CoalitionError, countOf } from '../../protocol/errors.ts'
import { print, say } from '../output.ts'
import { groupCommands, readStatements } from '../statements.ts'
import { addSubmissionOptions, openSubmission, type SubmissionOptions } from '../submission.ts'
import { publishCommand } from './chroniclePublish.ts'
import { recordCommand } from './chronicleRecord.ts'
import { searchCommand } from './chronicleSearch.ts'

type AppendOptions = SubmissionOptions & { config: string; file: string }

type Appended = {
  component: string
  entries: number
  envelopes: { sequence: string; height: string; round: number; firstIndex: string; entries: number }[]
}

export const chronicleCommand = (): Command =>
  new Command('chronicle')
    .description('write to a Chronicle, and search it')
    .addCommand(appendCommand())
    .addCommand(publishCommand())
    .addCommand(recordCommand())
    .addCommand(searchCommand())

const appendCommand = (): Command =>
  addSubmissionOptions(
    new Command('append')
      .description('submit audit entries, one JSON object a line, and wait for proof that they were decided')
      .requiredOption('--config <file>', 'coalition.json that names the Chronicle')
      .requiredOption('--file <file>', 'JSONL file of entries, - for standard input'),
  )
    .addHelpText(
      'after',
      `
Every acknowledgement is checked here: the certificate of the committee of its epoch, to which --log leads from the one
that the config names, and the inclusion of what was sent.
Each run appends: to repeat one that was interrupted, give --sequence as it said, and nothing counts twice.
Example:
  coalition chronicle append --config coalition.json --file entries.jsonl --key submitter.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(append)

async function append({ config, file, ...options }: AppendOptions): Promise<void> {
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const statements = await readStatements(file)
  const submission = await openSubmission(chronicle, options)
  const { log, first } = submission
  const groups = groupCommands(statements)
  const appended: Appended = { component: chronicle.component, entries: 0, envelopes: [] }
  let sequence = first
  try {
    for (const commands of groups) {
      const { envelope, record } = await submission.submit(commands, { sequence })
      const { commit, certificate } = record
      const { firstIndex } = await locateStatements({ log }, { envelope, commit })
      say(
        `sequence ${sequence}: ${countOf(commands.length, 'entry')} certified at height ${commit.height}, from index ${firstIndex}`,
      )
      appended.entries += commands.length
      appended.envelopes.push({
        sequence: sequence.toString(),
        height: commit.height.toString(),
        round: certificate.round,
        firstIndex: firstIndex.toString(),
        entries: commands.length,
      })
      sequence += 1n
    }
  } catch (cause) {
    if (!(cause instanceof CoalitionError) || groups.length === 1) throw cause
    printAppended(appended, options.json)
    throw new AppendInterruptedError({ done: appended.entries, count: statements.length, first, cause })
  } finally {
    await submission.close()
  }
  printAppended(appended, options.json)
}

export class AppendInterruptedError extends CoalitionError {
  constructor(options: { done: number; count: number; first: bigint; cause: CoalitionError }) {
    const { done, count, first, cause } = options
    super('APPEND_INTERRUPTED', `${done} of ${count} entries are certified, then: ${cause.code}: ${cause.message}`, {
      fix: `Run the same command again with --sequence ${first}: what is decided already counts once.`,
      kind: 'refused',
      isRetryable: true,
      cause,
    })
  }
}

const printAppended = (appended: Appended, json: boolean | undefined): void =>
  print(appended, {
    json,
    text: ({ envelopes }) =>
      envelopes
        .map(({ sequence, height, firstIndex, entries }) => {
          const lastIndex = BigInt(firstIndex) + BigInt(entries) - 1n
          const range = entries === 1 ? `entry ${firstIndex}` : `entries ${firstIndex}–${lastIndex}`
          return `sequence ${sequence}  height ${height}  ${range}`
        })
        .join('\n'),
  })
