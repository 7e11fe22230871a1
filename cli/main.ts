import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { addHelp } from './help.ts'
import { printError } from './output.ts'
import { UnwritableOutputError } from './unwritableOutput.ts'
import { UsageError } from './usage.ts'

/** As asked for, even where the other words of the call are unusable. */
const json = process.argv.includes('--json')

const program = addHelp(new Command('coalition'))
  .description('Derive, append, anchor and verify: the command line of Coalition.')
  .version(packageJson.version)
  .showHelpAfterError('(add --help for what this command takes)')
  .exitOverride()
if (json) program.configureOutput({ writeErr: () => {} })

/** A command is loaded where it is asked for by its name; all are where the words of the call name none. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  id: async () => (await import('./commands/id.ts')).idCommand(),
  config: async () => (await import('./commands/config.ts')).configCommand(),
  key: async () => (await import('./commands/key.ts')).keyCommand(),
  atlas: async () => (await import('./commands/atlas.ts')).atlasCommand(),
  chronicle: async () => (await import('./commands/chronicle.ts')).chronicleCommand(),
  committee: async () => (await import('./commands/committee.ts')).committeeCommand(),
  verify: async () => (await import('./commands/verify.ts')).verifyCommand(),
  status: async () => (await import('./commands/status.ts')).statusCommand(),
  ticket: async () => (await import('./commands/ticket.ts')).ticketCommand(),
  quote: async () => (await import('./commands/quote.ts')).quoteCommand(),
  deploy: async () => (await import('./commands/deploy.ts')).deployCommand(),
}
const asked = process.argv[2] ?? ''
const names = Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS)
for (const name of names) program.addCommand(await COMMANDS[name]!())
inheritSettings(program)

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (`| head`) is no fault.
  if (error.code !== 'EPIPE') process.exitCode = printError(new UnwritableOutputError(error), { json })
})

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) process.exitCode = printError(error, { json })
  else if (error.exitCode !== 0) {
    // Without --json commander has already said on standard error what is wrong with the words of the call.
    process.exitCode = 2
    if (json) printError(new UsageError(error), { json })
  }
}

/** commander hands a command's settings to those it makes itself, not to those it is given. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) inheritSettings(command.copyInheritedSettings(parent))
}
