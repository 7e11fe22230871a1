import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAddCheckpoint } from '../../../protocol/log/addCheckpoint.ts'
import { HashLengthError } from '../../../protocol/log/treeHash.ts'

const note = new TextEncoder().encode('log.example\n5\nAAAA\n\n— log.example AAAAAAA=\n')
const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

test('encodeAddCheckpoint: the old size, a line for each hash, an empty line and the note', () => {
  const body = new TextDecoder().decode(encodeAddCheckpoint({ oldSize: 20852014n, proof: [hash(1), hash(2)], note }))
  assert.deepEqual(body.split('\n').slice(0, 4), [
    'old 20852014',
    'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=',
    'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=',
    '',
  ])
  assert.ok(body.endsWith(`\n\n${new TextDecoder().decode(note)}`))
})

test('encodeAddCheckpoint: from nothing the empty line follows at once', () => {
  const body = new TextDecoder().decode(encodeAddCheckpoint({ oldSize: 0n, proof: [], note }))
  assert.equal(body, `old 0\n\n${new TextDecoder().decode(note)}`)
})

test('encodeAddCheckpoint: refuses what no proof is', () => {
  assert.throws(() => encodeAddCheckpoint({ oldSize: 1n, proof: [new Uint8Array(31)], note }), HashLengthError)
  assert.throws(() => encodeAddCheckpoint({ oldSize: 1n, proof: Array(64).fill(hash(1)), note }), RangeError)
  assert.throws(() => encodeAddCheckpoint({ oldSize: -1n, proof: [], note }), RangeError)
})
