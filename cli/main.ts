import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { atlasCommand } from './commands/atlas.ts'
import { chronicleCommand } from './commands/chronicle.ts'
import { committeeCommand } from './commands/committee.ts'
import { configCommand } from './commands/config.ts'
import { deployCommand } from './commands/deploy.ts'
import { idCommand } from './commands/id.ts'
import { keyCommand } from './commands/key.ts'
import { quoteCommand } from './commands/quote.ts'
import { statusCommand } from './commands/status.ts'
import { ticketCommand } from './commands/ticket.ts'
import { verifyCommand } from './commands/verify.ts'
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

program.addCommand(idCommand())
program.addCommand(configCommand())
program.addCommand(keyCommand())
program.addCommand(atlasCommand())
program.addCommand(chronicleCommand())
program.addCommand(committeeCommand())
program.addCommand(verifyCommand())
program.addCommand(statusCommand())
program.addCommand(ticketCommand())
program.addCommand(quoteCommand())
program.addCommand(deployCommand())
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
