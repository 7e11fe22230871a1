import { type ParseArgsConfig, parseArgs } from 'node:util'
import { printError } from '../cli/output.ts'
import { UsageError } from '../cli/usage.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<Given extends Options> = ReturnType<typeof parseArgs<{ options: Given }>>['values']

/**
 * What a script was called with. Ends the process where there is nothing to run: with 0 after `--help`, which prints `usage`,
 * and with 2 after words that it does not take.
 */
export function readOptions<const Given extends Options>(options: Given, { usage }: { usage: string }): Values<Given> {
  if (process.argv.slice(2).includes('--help')) {
    process.stdout.write(`${usage}\n`)
    process.exit(0)
  }
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return refuseUsage(error as Error)
  }
}

/** Says that a script does not take what it was given, and ends the process with 2. */
export const refuseUsage = (cause: Error): never => process.exit(printError(new UsageError(cause), { json: false }))
