import { CoalitionError } from '../protocol/errors.ts'

/** Standard output is for data alone; everything said to a person goes to standard error. */
export const say = (message: string): void => void process.stderr.write(`${message}\n`)

/** Prints a command's result: as JSON with `--json`, else as `text` has it. Bigints become decimal strings. */
export function print<T>(data: T, options: { json?: boolean | undefined; text: (data: T) => string }): void {
  const out = options.json ? toJsonText(data, 2) : options.text(data).replace(CONTROLS_IN_LINES, ' ')
  process.stdout.write(out.endsWith('\n') ? out : `${out}\n`)
}

/** Prints a refusal, without a stack, and returns the exit status: 1 refused or not verified, 2 unusable input. */
export function printError(error: unknown, options: { json: boolean }): 1 | 2 {
  if (!(error instanceof CoalitionError)) {
    const message = error instanceof Error ? error.message : String(error)
    const unexpected = {
      code: 'UNEXPECTED',
      message,
      fix: 'This is a fault of Coalition: please report it (SECURITY.md).',
    }
    say(
      options.json
        ? toJsonText({ error: unexpected })
        : `coalition: UNEXPECTED: ${toOneLine(message)}\n  ${unexpected.fix}`,
    )
    return 2
  }
  say(
    options.json
      ? toJsonText({ error: error.toJSON() })
      : `coalition: ${error.code}: ${toOneLine(error.message)}\n  ${toOneLine(error.fix)}\n  See ${error.docs}.`,
  )
  return error.kind === 'refused' ? 1 : 2
}

/**
 * What a terminal acts on, and does not show: C0 and C1, line and paragraph separators, and what turns the direction of
 * writing. A submitter, a server or Redis could forge lines of ours with them.
 */
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu
/** Those, except the ends of our own lines. */
const CONTROLS_IN_LINES = new RegExp(`(?!\\n)${CONTROLS.source}`, 'gu')

/** JSON in which nothing but its own line ends steers a terminal. Bigints become decimal strings. */
export const toJsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, bigintAsString, indent).replace(
    CONTROLS_IN_LINES,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

const toOneLine = (text: string): string => text.replace(CONTROLS, ' ')

const bigintAsString = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)
