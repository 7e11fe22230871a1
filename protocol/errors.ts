export type CoalitionErrorOptions = {
  /** What to do about it, as a full sentence; the base class adds the docs link. */
  fix: string
  /**
   * `input`: what was given cannot be used (command line exit 2).
   * `refused`: it could be used, and was refused or not verified (exit 1).
   */
  kind?: 'input' | 'refused'
  /** Whether the same call may succeed later with nothing changed by the caller. */
  isRetryable?: boolean
  cause?: unknown
}

/** A count and what is counted, as a message says it: `1 entry`, `2 entries`. */
export const countOf = (count: number | bigint, noun: string): string =>
  `${count} ${BigInt(count) === 1n ? noun : `${noun.replace(/y$/, 'ie')}s`}`

/** The root of every error that Coalition throws on purpose. Each code has a heading in docs/errors.md. */
export class CoalitionError extends Error {
  override readonly name: string
  /** Stable, upper-case, words separated by underscores. */
  readonly code: string
  readonly fix: string
  readonly kind: 'input' | 'refused'
  readonly isRetryable: boolean
  /** Where the code is explained, relative to the repository's root. */
  readonly docs: string

  constructor(code: string, message: string, options: CoalitionErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.fix = options.fix
    this.kind = options.kind ?? 'input'
    this.isRetryable = options.isRetryable ?? false
    this.docs = `docs/errors.md#${code.toLowerCase()}`
  }

  /** The error as data, for `--json` and for logs; carries no stack and no cause. */
  toJSON(): { code: string; message: string; fix: string; docs: string; isRetryable: boolean } {
    return { code: this.code, message: this.message, fix: this.fix, docs: this.docs, isRetryable: this.isRetryable }
  }
}
