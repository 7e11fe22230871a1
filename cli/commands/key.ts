import { Command } from 'commander'
import { createKey, writeKeystore } from '../../client/keystore.ts'
import { passwordOption, unlockKey } from '../keyOption.ts'
import { print, say } from '../output.ts'
import { readPassword } from '../password.ts'

type NewOptions = { out: string; passwordFile?: string; json?: boolean }
type ShowOptions = { passwordFile?: string; json?: boolean }

export const keyCommand = (): Command =>
  new Command('key')
    .description('make and look at keystores of members and submitters')
    .addCommand(
      new Command('new')
        .description('make a key and keep it in an encrypted keystore (mode 0600); prints its public half')
        .requiredOption('--out <file>', 'path of the new keystore; an existing file is never overwritten')
        .addOption(passwordOption())
        .option('--json', 'print JSON: a member as a config file has it')
        .addHelpText('after', '\nExample:\n  coalition key new --out member.json --password-file password.txt')
        .action(async ({ out, passwordFile, json }: NewOptions) => {
          const key = createKey()
          await writeKeystore(key, { path: out, password: readPassword(passwordFile) })
          say(`wrote ${out}: keep it and its password apart, and back both up`)
          const { signer, noteKey } = key
          print({ signer, noteKey }, { json, text: textOf })
        }),
    )
    .addCommand(
      new Command('show')
        .description('print the public half of a keystore')
        .argument('<file>', 'path of the keystore')
        .addOption(passwordOption())
        .option('--json', 'print JSON: a member as a config file has it')
        .action(async (file: string, { passwordFile, json }: ShowOptions) => {
          const { signer, noteKey } = await unlockKey({ key: file, passwordFile })
          print({ signer, noteKey }, { json, text: textOf })
        }),
    )

const textOf = ({ signer, noteKey }: { signer: string; noteKey: string }): string =>
  `signer   ${signer}\nnoteKey  ${noteKey}`
