import { Command } from 'commander'
import { CONFIG_SIZE_MAX_BYTES, type CoalitionConfig, parseCoalition } from '../../protocol/identity/coalition.ts'
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
      print(nameOrganisms(deriveAll(coalition), coalition), { json, text: textOf })
    })

type NamedOrganism = { role: string; name?: string } & Derivation['organisms'][number]
type Named = Omit<Derivation, 'organisms'> & { organisms: NamedOrganism[] }

/** A derivation knows an organism by role and ids; the names of those that have one are the file's to give. */
const nameOrganisms = (derived: Derivation, { organisms }: Pick<CoalitionConfig, 'organisms'>): Named => ({
  ...derived,
  organisms: derived.organisms.map(({ role, ...ids }, index) => {
    const name = organisms[index]?.name
    return { role, ...(name !== undefined && { name }), ...ids }
  }),
})

function textOf(derived: Named): string {
  const { coalition, coalitionRoot, coalitionId, lattices, organisms, confluences, modules, ticketIssuer } = derived
  return [
    ...section('coalition', { coalition, coalitionRoot, coalitionId }),
    ...lattices.flatMap(({ name, ...ids }) => section(`lattice ${name}`, ids)),
    ...organisms.flatMap(({ role, name, ...ids }) =>
      section(`organism ${name === undefined ? '' : `${name} `}(${role})`, ids),
    ),
    ...confluences.flatMap(({ name, ...ids }) => section(`confluence ${name}`, ids)),
    ...Object.entries(modules).flatMap(([name, ids]) => section(`module ${name}`, ids)),
    ...(ticketIssuer === null ? [] : section('ticket issuer', ticketIssuer)),
  ].join('\n')
}

const section = (title: string, ids: Record<string, string>): string[] => [
  title,
  ...Object.entries(ids).map(([key, id]) => `  ${key.padEnd(13)} ${id}`),
]
