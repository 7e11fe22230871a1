import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import { chronicle } from '../../modules/chronicle/machine.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import {
  decodeChronicleCommand,
  encodeChronicleCommand,
  RECORD_STATEMENT_TYPEHASH,
  STATEMENT_SIZE_MAX_BYTES,
  StatementSizeError,
  UnknownCommandError,
} from '../../protocol/wire/chronicleCommand.ts'
import { encodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import {
  decodeOperatorStatement,
  encodeOperatorStatement,
  OPERATOR_STATEMENT_TYPEHASH,
} from '../../protocol/wire/operatorStatement.ts'
import { testMachine } from './machineHarness.ts'

const submitter: Hex = `0x${'51'.repeat(20)}`
const stranger: Hex = `0x${'52'.repeat(20)}`
const parameters = encodeChronicleParameters({
  submitters: [submitter],
  anchorEveryCommits: 3,
  anchorEverySeconds: 10,
})
const statement = (text: string): Uint8Array =>
  encodeChronicleCommand({ kind: 'recordStatement', statement: new TextEncoder().encode(text) })
const observations = new Map<Hex, Uint8Array>()
const requestAnchor = encodeChronicleCommand({ kind: 'requestAnchor' })
const commandOf = (payload: Uint8Array, sequence: bigint, from = submitter) => ({
  component: `0x${'c0'.repeat(32)}` as Hex,
  submitter: from,
  sequence,
  index: 0,
  payload,
})

testMachine({
  name: 'chronicle',
  machine: chronicle,
  parameters,
  commands: [
    ...['{"n":1}', '{"n":2}'].map((text, index) => commandOf(statement(text), BigInt(index + 1))),
    commandOf(requestAnchor, 3n),
    commandOf(statement('{"n":3}'), 4n),
  ],
  refused: [
    commandOf(statement('{}'), 5n, stranger),
    commandOf(new Uint8Array(0), 5n),
    commandOf(new Uint8Array(32), 5n),
    commandOf(new Uint8Array([...requestAnchor, 0]), 5n),
    commandOf(statement('{}').subarray(0, 64), 5n),
  ],
})

/** Ends commits one after the other, a statement in each, and says at which heights the chain is to see one. */
function anchoredHeights(timestampsMs: readonly bigint[], withStatements = true): bigint[] {
  let state = chronicle.genesis(parameters)
  let logSize = 0n
  return timestampsMs.flatMap((timestampMs, index) => {
    const height = BigInt(index + 1)
    if (withStatements) {
      state = chronicle.apply(state, commandOf(statement('{}'), height), { height, timestampMs }).state
      logSize += 1n
    }
    const finished = chronicle.finish(state, { height, timestampMs, logSize, observations })
    state = finished.state
    return finished.anchor ? [height] : []
  })
}

test('chronicle: marks every k-th commit for the chain', () => {
  assert.deepEqual(anchoredHeights([1n, 2n, 3n, 4n, 5n, 6n, 7n]), [3n, 6n])
})

test('chronicle: marks a commit once its oldest unmarked entry waited t seconds, whichever comes first', () => {
  assert.deepEqual(anchoredHeights([1_000n, 11_000n, 12_000n, 13_000n, 14_000n]), [2n, 5n])
})

test('chronicle: never marks a commit that adds nothing to what is marked', () => {
  assert.deepEqual(anchoredHeights([1n, 2n, 3n, 4n, 100_000n], false), [])
})

test('chronicle: a request marks its commit before the cadence is due', () => {
  let state = chronicle.genesis(parameters)
  const context = { height: 1n, timestampMs: 1n }
  state = chronicle.apply(state, commandOf(statement('{}'), 1n), context).state
  state = chronicle.apply(state, commandOf(requestAnchor, 1n), context).state
  const finished = chronicle.finish(state, { ...context, logSize: 1n, observations })
  assert.equal(finished.anchor, true)
  assert.equal(
    chronicle.finish(finished.state, { height: 2n, timestampMs: 2n, logSize: 1n, observations }).anchor,
    false,
  )
})

test('chronicle: is due t seconds after the oldest entry that no marked commit covers, and not at all without one', () => {
  const genesis = chronicle.genesis(parameters)
  assert.equal(chronicle.dueAtMs(genesis, { logSize: 0n }), undefined)
  const { state } = chronicle.apply(genesis, commandOf(statement('{}'), 1n), { height: 1n, timestampMs: 5n })
  assert.equal(chronicle.dueAtMs(state, { logSize: 1n }), 10_005n)
})

test('chronicle: the largest statement still makes a leaf that a log can hold', () => {
  const largest = new Uint8Array(STATEMENT_SIZE_MAX_BYTES)
  const entry = encodeOperatorStatement({ submitter, sequence: 2n ** 64n - 1n, index: 255, statement: largest })
  assert.ok(entry.length <= 65_535)
  assert.ok(entry.length + 32 > 65_535, 'and one more word would not fit')
  assert.throws(
    () => encodeChronicleCommand({ kind: 'recordStatement', statement: new Uint8Array(STATEMENT_SIZE_MAX_BYTES + 1) }),
    StatementSizeError,
  )
  assert.throws(
    () => encodeChronicleCommand({ kind: 'recordStatement', statement: new Uint8Array(0) }),
    StatementSizeError,
  )
})

test('encodeChronicleCommand and encodeOperatorStatement: give what viem’s encodeAbiParameters gives', () => {
  for (const size of [1, 31, 32, 33, 1000]) {
    const bytes = new Uint8Array(size).fill(7)
    const command = encodeChronicleCommand({ kind: 'recordStatement', statement: bytes })
    const commandFields = parseAbiParameters('bytes32, bytes')
    assert.equal(toHex(command), encodeAbiParameters(commandFields, [RECORD_STATEMENT_TYPEHASH, toHex(bytes)]))
    assert.deepEqual(decodeChronicleCommand(command), { kind: 'recordStatement', statement: bytes })
    const entry = { submitter, sequence: 2n ** 64n - 1n, index: 7, statement: bytes }
    const entryFields = parseAbiParameters('bytes32, address, uint64, uint32, bytes')
    const expected = encodeAbiParameters(entryFields, [
      OPERATOR_STATEMENT_TYPEHASH,
      submitter,
      entry.sequence,
      entry.index,
      toHex(bytes),
    ])
    assert.equal(toHex(encodeOperatorStatement(entry)), expected)
    assert.deepEqual(decodeOperatorStatement(encodeOperatorStatement(entry)), entry)
  }
})

test('decodeChronicleCommand: refuses every other length and every flipped byte of its frame', () => {
  const bytes = statement('{"a":1}')
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => decodeChronicleCommand(bytes.subarray(0, size)), CoalitionError)
  }
  for (let index = 0; index < 96; index++) {
    const flipped = Uint8Array.from(bytes)
    flipped[index]! ^= 0x80
    assert.throws(() => decodeChronicleCommand(flipped), CoalitionError, `byte ${index}`)
  }
})

test('decodeChronicleCommand: refuses a statement whose padding is not zero', () => {
  const bytes = Uint8Array.from(statement('{}'))
  bytes[bytes.length - 1] = 1
  assert.throws(() => decodeChronicleCommand(bytes), UnknownCommandError)
})
