import { Command } from 'commander'
import { CONFIG_SIZE_MAX_BYTES, parseCoalition } from '../../protocol/identity/coalition.ts'
import { type Derivation, deriveAll } from '../../protocol/identity/derivation.ts'
import { readInput } from '../input.ts'
import { print } from '../output.ts'

export const idCommand = (): Command =>
  new Command('id')
    .description('derive every id of a coalition from its config file')
    .argument('<file>', 'path of the config file, or - for standard input')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  coalition id coalition.json --json')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const coalition = parseCoalition(await readInput(file, { sizeMaxBytes: CONFIG_SIZE_MAX_BYTES }))
      print(deriveAll(coalition), { json, text: textOf })
    })

function textOf(derived: Derivation): string {
  const { coalition, coalitionRoot, coalitionId, lattices, organisms, confluences, modules, ticketIssuer } = derived
  return [
    ...section('coalition', { coalition, coalitionRoot, coalitionId }),
    ...lattices.flatMap(({ name, ...ids }) => section(`lattice ${name}`, ids)),
    ...organisms.flatMap(({ role, ...ids }) => section(`organism (${role})`, ids)),
    ...confluences.flatMap(({ name, ...ids }) => section(`confluence ${name}`, ids)),
    ...Object.entries(modules).flatMap(([name, ids]) => section(`module ${name}`, ids)),
    ...(ticketIssuer === null ? [] : section('ticket issuer', ticketIssuer)),
  ].join('\n')
}

const section = (title: string, ids: Record<string, string>): string[] => [
  title,
  ...Object.entries(ids).map(([key, id]) => `  ${key.padEnd(13)} ${id}`),
]
