import { Command } from 'commander'
import { createEpochs } from '../../client/epochs.ts'
import { followEpochs } from '../../client/followEpochs.ts'
import { readKeystore } from '../../client/keystore.ts'
import { locateStatements } from '../../client/locateStatements.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readChronicle } from '../../client/readChronicle.ts'
import { createSubmitter } from '../../client/submit.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { SequenceRefusedError, signEnvelope } from '../../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../../protocol/wire/next.ts'
import { toSeconds, toSequence } from '../arguments.ts'
import { environment } from '../environment.ts'
import { print, say } from '../output.ts'
import { readPassword } from '../password.ts'
import { groupCommands, readStatements } from '../statements.ts'

type AppendOptions = {
  config: string
  file: string
  key: string
  passwordFile?: string
  log: string
  redis: string
  sequence?: bigint
  timeout: number
  json?: boolean
}

type Appended = {
  component: string
  entries: number
  envelopes: { sequence: string; height: string; round: number; firstIndex: string; entries: number }[]
}

export const chronicleCommand = (): Command =>
  new Command('chronicle').description('write to a Chronicle').addCommand(
    new Command('append')
      .description('submit audit entries, one JSON object a line, and wait for proof that they were decided')
      .requiredOption('--config <file>', 'coalition.json that names the Chronicle')
      .requiredOption('--file <file>', 'JSONL file of entries, - for standard input')
      .requiredOption('--key <file>', 'keystore of an authorised submitter')
      .requiredOption('--log <url>', 'log of any member, to read the last sequence and the entries’ places from')
      .option('--password-file <file>', 'file whose first line is the password (else COALITION_PASSWORD)')
      .option('--redis <url>', 'Redis of the members', environment.redisUrl)
      .option('--sequence <number>', 'sequence of the first envelope, to repeat a submission safely', toSequence)
      .option('--timeout <seconds>', 'how long to wait for each acknowledgement', toSeconds, 30)
      .option('--json', 'print JSON')
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
      .action(append),
  )

async function append(options: AppendOptions): Promise<void> {
  const { config, file, key: keyPath, passwordFile, log: logUrl, redis, timeout, json } = options
  const chronicle = await readChronicle(config)
  const statements = await readStatements(file)
  const log = createLogReader({ url: logUrl })
  const key = await readKeystore({ path: keyPath, password: readPassword(passwordFile) })
  const { component } = chronicle
  const { signer: submitter } = key
  const epochs = await followEpochs({ logs: [log] }, createEpochs(chronicle))
  const last = await log.readSequence(submitter)
  const first = options.sequence ?? last + 1n
  // A gap would wait in the members' pools until it is filled: say so now.
  if (first > last + 1n) throw new SequenceRefusedError({ submitter, sequence: first, last })
  // What was decided before is acknowledged as ever.
  if (first > last && epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
  const groups = groupCommands(statements)
  const appended: Appended = { component, entries: 0, envelopes: [] }
  const members = await createSubmitter({ redisUrl: redis, epochs, logs: [log] })
  let sequence = first
  try {
    for (const commands of groups) {
      const envelope = signEnvelope({ component, submitter, sequence, commands }, key.secretKey)
      const { acknowledgement } = await members.submit(envelope, { timeoutMs: timeout * 1000 })
      const { commit, certificate } = acknowledgement.record
      // The member that serves the log need not be the one that answered first.
      await log.waitForCommit(commit.height, { timeoutMs: timeout * 1000 })
      const { firstIndex } = await locateStatements({ log }, { envelope, commit })
      say(
        `sequence ${sequence}: ${commands.length} entries certified at height ${commit.height}, from index ${firstIndex}`,
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
    printAppended(appended, json)
    throw new AppendInterruptedError({ done: appended.entries, count: statements.length, first, cause })
  } finally {
    await members.close()
  }
  printAppended(appended, json)
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
          return `sequence ${sequence}  height ${height}  entries ${firstIndex}–${lastIndex}`
        })
        .join('\n'),
  })
