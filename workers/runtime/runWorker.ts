import { CoalitionError } from '../../protocol/errors.ts'

/** Runs the sub-command that the process was started with; a refusal is one line and an exit status, never a stack. */
export async function runWorker(commands: Record<string, () => Promise<void>>): Promise<void> {
  const name = process.argv[2] ?? ''
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined || process.argv.length > 3) {
    process.stderr.write(`usage: ${Object.keys(commands).join(' | ')}\n`)
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
