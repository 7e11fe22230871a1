import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'
import { ticketCommand } from '../../cli/commands/ticket.ts'
import { addHelp } from '../../cli/help.ts'

test('help: marks the options that are required, and no other', () => {
  const help = addHelp(new Command('coalition'))
    .requiredOption('--log <url>', 'log of any member')
    .requiredOption('--height <number>', 'which commit', '0')
    .option('--json', 'print JSON')
    .helpInformation()
  assert.match(help, /log of any member \(required\)$/m)
  assert.match(help, /which commit \(default: "0"\)$/m)
  assert.match(help, /print JSON$/m)
})

test('help: every command says the exit statuses', () => {
  const program = addHelp(new Command('coalition')).exitOverride()
  let said = ''
  const command = new Command('id')
    .copyInheritedSettings(program)
    .configureOutput({ writeOut: (text) => (said += text) })
  program.addCommand(command)
  command.outputHelp()
  assert.match(said, /\n\nExit status: 0 done, 1 refused or not verified, 2 unusable input\.\n$/)
})

const folder = join(import.meta.dirname, '../../cli/commands')
const files = readdirSync(folder).filter((name) => name.endsWith('.ts'))

for (const file of files)
  test(`help: each command of ${file} explains itself, its defaults too`, async () => {
    const builders = Object.entries((await import(join(folder, file))) as Record<string, unknown>)
    for (const [, build] of builders.filter(([name]) => name.endsWith('Command'))) {
      const command = (build as () => Command)()
      addHelp(new Command('coalition')).addCommand(command)
      assertHelp(command)
    }
  })

function assertHelp(command: Command): void {
  assert.match(command.helpInformation(), /^Usage: /)
  for (const each of command.commands) assertHelp(each)
}

test('help: ticket verify says how long a ticket may be, and how long where nobody says', () => {
  const verify = ticketCommand().commands.find((each) => each.name() === 'verify')!
  assert.match(verify.helpInformation().replace(/\s+/g, ' '), /--lifetime-max .+ 1 to 2\^40 \(default: 86400\)/)
})
