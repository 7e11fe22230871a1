import { z } from 'zod'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { formatJsonPath, type JsonPath, parseJson } from '../protocol/identity/json.ts'
import { ADDRESSES_MAX } from '../protocol/wire/addressList.ts'
import { assertMembers, type Member } from '../protocol/wire/committee.ts'
import { readInput } from './input.ts'

/** 256 members with every space that an editor puts in. */
const MEMBERS_SIZE_MAX_BYTES = 1 << 17

export class MalformedMembersError extends CoalitionError {
  constructor({ path, reason, cause }: { path: string; reason: string; cause?: unknown }) {
    super('MALFORMED_MEMBERS', `${path === '-' ? 'Standard input' : path} is no list of members: ${reason}.`, {
      fix: 'Give a JSON list of what coalition key show --json prints for each, in ascending order of signer.',
      cause,
    })
  }
}

const MEMBERS = z
  .array(z.strictObject({ signer: z.string(), noteKey: z.string().optional() }))
  .max(ADDRESSES_MAX, `more than ${ADDRESSES_MAX}`)

/**
 * Reads a committee as a config file spells one out: a JSON list of `{ signer, noteKey }`.
 *
 * @param path a file, or `-` for standard input.
 * @throws {UnreadableInputError | InputTooLargeError} no such file, not UTF-8, or too large.
 * @throws {MalformedMembersError} not of this form.
 * @throws whatever `assertMembers` throws.
 */
export async function readMembers(path: string): Promise<readonly Member[]> {
  const text = await readInput(path, { sizeMaxBytes: MEMBERS_SIZE_MAX_BYTES })
  let json: unknown
  try {
    json = parseJson(text)
  } catch (cause) {
    if (!(cause instanceof CoalitionError)) throw cause
    throw new MalformedMembersError({ path, reason: 'it is not JSON, or has a key twice', cause })
  }
  const parsed = MEMBERS.safeParse(json)
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0]!
    const where = at.length === 0 ? 'it' : formatJsonPath(['members', ...(at as JsonPath)])
    throw new MalformedMembersError({ path, reason: `${where}: ${message}` })
  }
  const members = parsed.data.map(({ signer, noteKey }): Member => {
    return noteKey === undefined ? { signer: signer as Hex } : { signer: signer as Hex, noteKey: noteKey as Hex }
  })
  assertMembers(members, { field: 'members' })
  return members
}
