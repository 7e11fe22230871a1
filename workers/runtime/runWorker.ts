import { CoalitionError } from '../../protocol/errors.ts'
import { SETTINGS_HELP } from './config.ts'

/**
 * Runs the sub-command that the process was started with, or says with --help what it takes. A refusal is one line and an exit
 * status, never a stack.
 *
 * @param options.name as `npm run` knows it.
 */
export async function runWorker(
  commands: Record<string, () => Promise<void>>,
  { name }: { name: keyof typeof SETTINGS_HELP },
): Promise<void> {
  const usage = `Usage: npm run ${name} -- ${Object.keys(commands).join(' | ')}\n`
  const words = process.argv.slice(2)
  if (words.some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(
      `${usage}\nIts settings are environment variables (docs/operators/running.md):\n${SETTINGS_HELP[name].join('\n')}\n` +
        '\nExit status: 0 done or stopped, 1 refused, 2 unusable input.\n',
    )
    return
  }
  const [word = ''] = words
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined
  if (command === undefined || words.length > 1) {
    process.stderr.write(`${usage}(add --help for its settings)\n`)
    process.exit(2)
  }
  try {
    await command()
  } catch (error) {
    if (error instanceof CoalitionError) {
      process.stderr.write(`${JSON.stringify({ error: error.toJSON() })}\n`)
      process.exit(error.kind === 'refused' ? 1 : 2)
    }
    throw error
  }
}
