import { CoalitionError } from '../errors.ts'

/** Where a value stands in a JSON document, root first. */
export type JsonPath = readonly (string | number)[]

export class MalformedJsonError extends CoalitionError {
  constructor({ cause }: { cause: unknown }) {
    const reason = cause instanceof Error ? cause.message : 'it cannot be parsed'
    super('MALFORMED_JSON', `The config is not JSON: ${reason}.`, {
      fix: 'Write one JSON object, without comments or trailing commas.',
      cause,
    })
  }
}

export class DuplicateKeyError extends CoalitionError {
  constructor({ path }: { path: JsonPath }) {
    super('DUPLICATE_KEY', `${formatJsonPath(path)} is given twice.`, {
      fix: 'Keep one of the two: programs disagree about which of them counts.',
    })
  }
}

export class UnplainNumberError extends CoalitionError {
  constructor({ path }: { path: JsonPath }) {
    super('UNPLAIN_NUMBER', `${formatJsonPath(path)} is not a plain whole number.`, {
      fix: 'Write decimal digits alone, up to 2^53 − 1; write a larger chain id as a string.',
    })
  }
}

/**
 * Parses JSON that must mean the same to every program: no key twice, and no number that a parser could round.
 *
 * @throws {MalformedJsonError} not JSON.
 * @throws {DuplicateKeyError} an object has a key twice.
 * @throws {UnplainNumberError} a number is negative, has a fraction or exponent, or is above 2^53 − 1.
 */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new MalformedJsonError({ cause })
  }
  assertPlain(text)
  return value
}

/** JSON with keys in order and no spaces: equal values give equal text, whoever put them together. */
export const formatCanonicalJson = (value: unknown): string => JSON.stringify(sortKeys(value))

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortKeys(item)]))
}

/** `lattices[0].chainId`; a key that is not a plain word is quoted, escaped and shortened, because a stranger wrote it. */
export function formatJsonPath(path: JsonPath): string {
  let formatted = ''
  for (const key of path) {
    if (typeof key === 'number') formatted += `[${key}]`
    else if (/^[\w$-]{1,64}$/.test(key)) formatted += formatted === '' ? key : `.${key}`
    else formatted += `[${JSON.stringify(key.slice(0, 64)).replace(/[^ -~]/g, escapeCharacter)}]`
  }
  return formatted === '' ? 'The config' : formatted
}

const escapeCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g
const PLAIN_NUMBER = /^(?:0|[1-9][0-9]{0,15})$/

/** Walks the words of `text`, which is JSON, for what `JSON.parse` does not tell. */
function assertPlain(text: string): void {
  const open: { keys: Set<string> | undefined; key: string | number }[] = []
  const path = (): JsonPath => open.map(({ key }) => key)
  let isKeyNext = false
  for (const [token] of text.matchAll(TOKEN)) {
    const innermost = open.at(-1)
    if (token === '{' || token === '[') {
      open.push(token === '{' ? { keys: new Set(), key: '' } : { keys: undefined, key: 0 })
      isKeyNext = token === '{'
    } else if (token === '}' || token === ']') {
      open.pop()
      isKeyNext = false
    } else if (token === ',') {
      if (typeof innermost?.key === 'number') innermost.key += 1
      isKeyNext = innermost?.keys !== undefined
    } else if (isKeyNext && innermost?.keys !== undefined) {
      innermost.key = JSON.parse(token) as string
      if (innermost.keys.has(innermost.key)) throw new DuplicateKeyError({ path: path() })
      innermost.keys.add(innermost.key)
      isKeyNext = false
    } else if (/^[-0-9]/.test(token) && !(PLAIN_NUMBER.test(token) && Number.isSafeInteger(Number(token)))) {
      throw new UnplainNumberError({ path: path() })
    }
  }
}
