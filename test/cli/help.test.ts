import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
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
