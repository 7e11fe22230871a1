import { decodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes } from '../bytes.ts'
import { deriveTypehash } from './typedData.ts'

/** What an operator stated, as the log keeps it: one leaf a statement, in the order of its envelope. */
export type OperatorStatement = {
  submitter: Hex
  /** Of the envelope that carried it; uint64. */
  sequence: bigint
  /** Its command's place in the envelope, from 0; uint32. */
  index: number
  statement: Uint8Array
}

export const OPERATOR_STATEMENT_TYPEHASH: Hex = deriveTypehash(
  'OperatorStatement(address submitter,uint64 sequence,uint32 index,bytes statement)',
)

const FIELDS = parseAbiParameters('bytes32 typehash, address submitter, uint64 sequence, uint32 index, bytes statement')

const TYPEHASH = fromHex(OPERATOR_STATEMENT_TYPEHASH)
/** typehash, submitter, sequence, index, where the statement stands, its length. */
const HEAD_SIZE_BYTES = 6 * 32

/** The submitter of the last statement: that of the next one, too, as a rule. */
let newest: { submitter: Hex | undefined; bytes: Uint8Array } = { submitter: undefined, bytes: new Uint8Array(20) }

/**
 * The log entry of a statement: `abi.encode(OPERATOR_STATEMENT_TYPEHASH, submitter, sequence, index, statement)`. By hand,
 * because members make one for each command that they execute.
 */
export function encodeOperatorStatement({ submitter, sequence, index, statement }: OperatorStatement): Uint8Array {
  const bytes = new Uint8Array(HEAD_SIZE_BYTES + 32 * Math.ceil(statement.length / 32))
  const view = new DataView(bytes.buffer)
  if (submitter !== newest.submitter) newest = { submitter, bytes: fromHex(submitter) }
  bytes.set(TYPEHASH)
  bytes.set(newest.bytes, 64 - 20)
  view.setBigUint64(96 - 8, sequence)
  view.setUint32(128 - 4, index)
  view.setUint32(160 - 4, HEAD_SIZE_BYTES - 32)
  view.setUint32(192 - 4, statement.length)
  bytes.set(statement, HEAD_SIZE_BYTES)
  return bytes
}

/** The exact inverse of `encodeOperatorStatement`; undefined where the entry is of another kind. */
export function decodeOperatorStatement(entry: Uint8Array): OperatorStatement | undefined {
  try {
    const [typehash, submitter, sequence, index, statement] = decodeAbiParameters(FIELDS, entry)
    if (typehash !== OPERATOR_STATEMENT_TYPEHASH) return undefined
    const decoded = { submitter: submitter.toLowerCase() as Hex, sequence, index, statement: fromHex(statement) }
    return isEqualBytes(encodeOperatorStatement(decoded), entry) ? decoded : undefined
  } catch {
    return undefined // a log may hold what this release does not know
  }
}
