import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeEntry, toPrintedEntry } from '../../cli/entryText.ts'
import { encodeAlmanacTick } from '../../protocol/wire/almanacTick.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { encodeRetirementMarker } from '../../protocol/wire/governance.ts'
import { ComponentRetiredError, describeSuccessor } from '../../protocol/wire/next.ts'
import { encodeOperatorStatement } from '../../protocol/wire/operatorStatement.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'

test('toPrintedEntry: an entry of a kind that this release does not know is printed as none, and is no error', () => {
  const entries = [
    new Uint8Array(0),
    Uint8Array.of(1),
    new Uint8Array(65_535).fill(7),
    packWords([deriveTypehash('EntryOfALaterVersion(uint64 amount)'), 1n]),
    encodeAlmanacTick({ seq: 1n, timestampMs: 1n, observedAt: [] }),
  ]
  for (const entry of entries) assert.equal(toPrintedEntry(entry), null)
  const statement = { submitter: `0x${'51'.repeat(20)}`, sequence: 1n, index: 0 } as const
  // Statements are anybody's bytes: what is no UTF-8 is shown as what UTF-8 makes of it.
  const printed = toPrintedEntry(encodeOperatorStatement({ ...statement, statement: Uint8Array.of(0xff) }))
  assert.deepEqual(printed, { kind: 'operatorStatement', ...statement, text: '\ufffd' })
})

test('a retirement without a successor says none to people, and names no key of zeros', () => {
  const marker = {
    component: `0x${'c0'.repeat(32)}`,
    successor: ZERO_BYTES32,
    effectiveHeight: 3n,
    reason: '',
  } as const
  const printed = toPrintedEntry(encodeRetirementMarker(marker))!
  assert.match(describeEntry(printed), /; its successor: none; reason: ""$/)
  assert.ok(printed.kind === 'ownRetirement')
  assert.equal(printed.successor, ZERO_BYTES32)
  const { message, successor } = new ComponentRetiredError(marker)
  assert.equal(message, `Component ${marker.component} retired at height 3; its successor: none.`)
  assert.equal(successor, ZERO_BYTES32)
  assert.equal(describeSuccessor(marker.component), marker.component)
})
