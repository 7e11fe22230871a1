import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blake3 } from '@noble/hashes/blake3.js'
import { toHex } from '../../../protocol/bytes.ts'
import { string } from '../../../protocol/identity/abi.ts'
import { derive, deriveId, UNIVERSE } from '../../../protocol/identity/id.ts'

const ascii = (text: string) => new TextEncoder().encode(text)

test('deriveId: hashes version byte, tag, bar and ABI words (spec §3)', () => {
  const words = `${'20'.padStart(64, '0')}${'2'.padStart(64, '0')}${'6162'.padEnd(64, '0')}`
  const preimage = new Uint8Array([1, ...ascii('some-tag'), ...ascii('|'), ...Buffer.from(words, 'hex')])
  assert.equal(deriveId('some-tag', [string('ab')]), toHex(blake3(preimage)))
})

test('derive: hashes the id and the label, nothing between (spec §3)', () => {
  const preimage = new Uint8Array([...Buffer.from(UNIVERSE.slice(2), 'hex'), ...ascii('module')])
  assert.equal(derive(UNIVERSE, 'module'), toHex(blake3(preimage)))
})

test('UNIVERSE: is the hash of mosaik.universe (spec §3)', () => {
  assert.equal(UNIVERSE, toHex(blake3(ascii('mosaik.universe'))))
})
