import type { core } from 'zod'
import { CoalitionError } from '../errors.ts'
import type { CoalitionFile } from './configFile.ts'
import { configFileSchema } from './configSchema.ts'
import { SCHEMA_VERSION_U8 } from './id.ts'
import { formatJsonPath, type JsonPath } from './json.ts'
import { MODULE_NAMES } from './module.ts'

export class UnknownSchemaVersionError extends CoalitionError {
  constructor() {
    super('UNKNOWN_SCHEMA_VERSION', `The config is not of schema version ${SCHEMA_VERSION_U8}.`, {
      fix: `This release reads "schemaVersion": ${SCHEMA_VERSION_U8} alone; a later version needs a later release.`,
    })
  }
}

export class UnknownKeyError extends CoalitionError {
  constructor({ path }: { path: JsonPath }) {
    super('UNKNOWN_KEY', `${formatJsonPath(path)} is not a key of a config.`, {
      fix: 'Correct its spelling or remove it; data that is not for version 1 goes into "ext".',
    })
  }
}

export class UnknownModuleError extends CoalitionError {
  constructor({ path }: { path: JsonPath }) {
    super('UNKNOWN_MODULE', `${formatJsonPath(path)} is not a module.`, {
      fix: `The modules are ${MODULE_NAMES.join(', ')}.`,
    })
  }
}

export class ParametersUnsupportedError extends CoalitionError {
  constructor({ path }: { path: JsonPath }) {
    super(
      'PARAMETERS_UNSUPPORTED',
      `${formatJsonPath(path)} cannot be hashed: this component’s parameters are not known here.`,
      {
        fix: 'Give the contentHash instead.',
      },
    )
  }
}

export class MissingKeyError extends CoalitionError {
  constructor({ path }: { path: JsonPath }) {
    super('MISSING_KEY', `${formatJsonPath(path)} is missing.`, { fix: 'Add it: it has no default.' })
  }
}

export class WrongTypeError extends CoalitionError {
  constructor({ path, expected }: { path: JsonPath; expected: string }) {
    super('WRONG_TYPE', `${formatJsonPath(path)} is not ${expected}.`, {
      fix: 'Leave out what is absent; null and other types stand for nothing.',
    })
  }
}

export class ListTooLongError extends CoalitionError {
  constructor({ path, maximum }: { path: JsonPath; maximum: number }) {
    super('LIST_TOO_LONG', `${formatJsonPath(path)} lists more than ${maximum}.`, {
      fix: 'Split the coalition: a config is read as a whole by everyone who binds to it.',
    })
  }
}

/**
 * Checks that `value` has the shape of a config file: the keys that there are, each of its type. What a name, a hash or
 * a chain id must look like is checked where it is used.
 *
 * @returns a copy, so that what is bound to cannot change later.
 * @throws {UnknownSchemaVersionError} before all else: the rest would be judged by the wrong rules.
 * @throws {UnknownKeyError | UnknownModuleError | ParametersUnsupportedError} a key that does not belong.
 * @throws {MissingKeyError | WrongTypeError | ListTooLongError} the first value, in order of the schema, that is not right.
 */
export function decodeConfigFile(value: unknown): CoalitionFile {
  if (isObject(value) && (!('schemaVersion' in value) || value.schemaVersion !== SCHEMA_VERSION_U8))
    throw new UnknownSchemaVersionError()
  const result = configFileSchema.safeParse(value)
  if (result.success) return result.data as CoalitionFile
  const { issues } = result.error
  // A misspelt key is also a missing one: its name says more.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
  throw toRefusal(issue, value)
}

function toRefusal(issue: core.$ZodIssue, value: unknown): CoalitionError {
  const path = issue.path as JsonPath
  if (issue.code === 'unrecognized_keys') {
    const keyPath = [...path, issue.keys[0]!]
    if (path[0] === 'modules' && path.length === 1) return new UnknownModuleError({ path: keyPath })
    const isComponent = path[0] === 'modules' || path[0] === 'confluences'
    return isComponent && issue.keys[0] === 'parameters'
      ? new ParametersUnsupportedError({ path: keyPath })
      : new UnknownKeyError({ path: keyPath })
  }
  if (issue.code === 'too_big') return new ListTooLongError({ path, maximum: Number(issue.maximum) })
  if (valueAt(value, path) === undefined) return new MissingKeyError({ path })
  const expected =
    issue.code === 'invalid_type'
      ? EXPECTED[issue.expected]
      : path.includes('admission')
        ? `one of the words that docs/integrators/config.md lists`
        : undefined
  return new WrongTypeError({ path, expected: expected ?? 'a number or a string' })
}

/** How an error calls what zod expects; a chain id, which may be either of two, has no type of its own there. */
const EXPECTED: Record<string, string> = {
  array: 'a list',
  number: 'a number',
  object: 'an object',
  string: 'a string',
}

function valueAt(value: unknown, path: JsonPath): unknown {
  let found = value
  for (const key of path) found = (found as Record<string | number, unknown>)[key]
  return found
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
