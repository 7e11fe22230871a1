import { Command } from 'commander'
import { locateEntry } from '../../client/locateStatements.ts'
import { readComponent } from '../../client/readComponent.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { toHex } from '../../protocol/identity/configCodec.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { decodeChronicleEntry } from '../../protocol/wire/chronicleEntry.ts'
import { print } from '../output.ts'
import { addSubmissionOptions, openSubmission, type SubmissionOptions } from '../submission.ts'

type Published = {
  component: Hex
  coalitionId: Hex
  sequence: bigint
  height: bigint
  round: number
  /** Of the entry that says so; what follows from it stands behind it. */
  index: bigint
}

export const publishCommand = (): Command =>
  addSubmissionOptions(
    new Command('publish')
      .description('publish a config in the Chronicle that it names, and wait for proof that it was decided')
      .argument('<config>', 'coalition.json'),
  )
    .addHelpText(
      'after',
      `
The members derive the config's ids themselves, compare it with the one that was published last, and append which config it
supersedes and which citizens it adds and removes.
Example:
  coalition chronicle publish coalition.json --key submitter.json --password-file password.txt \\
    --log http://127.0.0.1:4100`,
    )
    .action(publish)

async function publish(config: string, options: SubmissionOptions): Promise<void> {
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const { component, coalition } = chronicle
  const coalitionId = coalition.coalitionId()
  const command = encodeChronicleCommand({ kind: 'publishCoalition', config: fromHex(toHex(coalition)) })
  const submission = await openSubmission(chronicle, options)
  const { log, first: sequence } = submission
  try {
    const { record } = await submission.submit([command], { sequence })
    const { commit, certificate } = record
    const isWanted = (entry: Uint8Array): boolean => {
      const decoded = decodeChronicleEntry(entry)
      return decoded?.kind === 'coalitionPublished' && decoded.coalitionId === coalitionId
    }
    const { index } = await locateEntry({ log }, { commit, isWanted })
    const { height } = commit
    const published: Published = { component, coalitionId, sequence, height, round: certificate.round, index }
    print(published, {
      json: options.json,
      text: () => `published coalition ${coalitionId}  sequence ${sequence}  height ${height}  entry ${index}`,
    })
  } finally {
    await submission.close()
  }
}
