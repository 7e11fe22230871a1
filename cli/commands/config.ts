import { Command } from 'commander'
import type { Hex } from '../../protocol/bytes.ts'
import { CONFIG_SIZE_MAX_BYTES, parseCoalition } from '../../protocol/identity/coalition.ts'
import { fromHex, toHex } from '../../protocol/identity/configCodec.ts'
import { toJsonSchema } from '../../protocol/identity/configSchema.ts'
import { readInput } from '../input.ts'
import { print } from '../output.ts'

type Options = { json?: boolean }

export const configCommand = (): Command =>
  new Command('config')
    .description('turn a config file into its canonical string and back')
    .addCommand(encodeCommand())
    .addCommand(decodeCommand())
    .addCommand(schemaCommand())

const encodeCommand = (): Command =>
  new Command('encode')
    .description('print the canonical string of a config file, which can be published and pinned')
    .argument('<file>', 'path of the config file, or - for standard input')
    .option('--json', 'print JSON: the coalition id beside the string')
    .addHelpText('after', '\nExample:\n  coalition config encode coalition.json > coalition.hex')
    .action(async (file: string, { json }: Options) => {
      const coalition = parseCoalition(await readInput(file, { sizeMaxBytes: CONFIG_SIZE_MAX_BYTES }))
      const result = { coalitionId: coalition.coalitionId(), canonical: toHex(coalition) }
      print(result, { json, text: ({ canonical }) => canonical })
    })

const decodeCommand = (): Command =>
  new Command('decode')
    .description('print the config file that a canonical string stands for, after checking its id')
    .argument('<hex>', 'the canonical string, or - for standard input')
    .option('--json', 'as without: a config file is JSON')
    .addHelpText('after', '\nExample:\n  coalition config decode - < coalition.hex | coalition id -')
    .action(async (hex: string) => {
      // Twice the bytes, `0x`, and the end of the line.
      const sizeMaxBytes = 2 * CONFIG_SIZE_MAX_BYTES + 4
      const text = hex === '-' ? (await readInput(hex, { sizeMaxBytes })).trim() : hex
      print(fromHex(text as Hex).file, { json: true, text: String })
    })

const schemaCommand = (): Command =>
  new Command('schema')
    .description('print the JSON schema of a config file, for an editor')
    .option('--json', 'as without: a JSON schema is JSON')
    .addHelpText('after', '\nExample:\n  coalition config schema > coalition.schema.json')
    .action(() => print(toJsonSchema(), { json: true, text: String }))
