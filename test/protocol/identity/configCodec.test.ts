import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type AbiParameter, encodeAbiParameters, parseAbiParameters } from 'viem'
import type { Hex, UniqueId } from '../../../protocol/bytes.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { defineCoalition, parseCoalition } from '../../../protocol/identity/coalition.ts'
import { fromHex, toHex } from '../../../protocol/identity/configCodec.ts'
import { deriveAll } from '../../../protocol/identity/derivation.ts'

const word = (byte: string): UniqueId => `0x${byte.repeat(32)}`
const path = new URL('../../vectors/identity/vectors.json', import.meta.url)
const vectors: { name: string; input: unknown; expected: unknown }[] = JSON.parse(readFileSync(path, 'utf8'))

/** The layout as docs/integrators/config.md gives it, for viem to encode what `toHex` never would. */
const FIELDS = parseAbiParameters([
  'uint8 schemaVersion, bytes32 coalitionId, string name, Lattice[] lattices, Organism[] organisms, Confluence[] confluences, Module[] modules, TicketIssuer[] ticketIssuer, bytes ext',
  'struct Lattice { string name; uint64 chainId; bytes32 stableId; bytes32[] contentHash; }',
  'struct Organism { string role; string name; bytes32 stableId; bytes32[] contentHash; }',
  'struct Confluence { string name; bytes32[] spans; bytes32 contentHash; bytes32 committee; bytes32 validators; }',
  'struct Module { string name; bytes32 contentHash; bytes32 committee; bytes32 validators; }',
  'struct TicketIssuer { string name; bytes32 committee; bytes32 validators; }',
])

const component = { contentHash: word('c0'), committee: word('c1'), validators: word('c2') }
const { contentHash: _, ...committee } = component
const coalition = defineCoalition({
  schemaVersion: 1,
  name: 'small',
  lattices: [{ name: 'a', chainId: 1, contentHash: word('aa') }],
  organisms: [{ role: 'b', name: 'c' }],
  confluences: [{ name: 'd', spans: [word('aa'), word('bb')], ...component }],
  modules: { atlas: component, compute: component },
  ticketIssuer: { name: 'e', ...committee },
  ext: '0x0102',
})
const canonical = toHex(coalition)
const lattice = coalition.lattices[0]
const organism = coalition.organisms[0]
const parts = {
  schemaVersion: 1,
  coalitionId: coalition.coalitionId(),
  name: 'small',
  lattices: [{ name: 'a', chainId: 1n, stableId: lattice.stableId(), contentHash: [word('aa')] }],
  organisms: [{ role: 'b', name: 'c', stableId: organism.stableId(), contentHash: [] as UniqueId[] }],
  confluences: [{ name: 'd', spans: [word('aa'), word('bb')], ...component }],
  modules: [
    { name: 'atlas', ...component },
    { name: 'compute', ...component },
  ],
  ticketIssuer: [{ name: 'e', ...committee }],
  ext: '0x0102' as Hex,
}
const encode = (changes: Partial<typeof parts>): Hex =>
  encodeAbiParameters(FIELDS as readonly AbiParameter[], Object.values({ ...parts, ...changes }))

for (const { name, input, expected } of vectors)
  test(`fromHex(toHex(…)): derives the same ids for "${name}"`, () => {
    const encoded = toHex(parseCoalition(JSON.stringify(input)))
    assert.deepEqual(deriveAll(fromHex(encoded)), expected)
    assert.equal(toHex(fromHex(encoded)), encoded)
  })

test('toHex: is the ABI encoding that the documentation gives', () => {
  assert.equal(canonical, encode({}))
})

test('toHex: is one string, however the file says it', () => {
  const { name, stableId } = { name: 'c', stableId: organism.stableId() }
  const short = defineCoalition({ schemaVersion: 1, name: 'a', organisms: [{ role: 'b', name }] })
  const long = {
    $schema: 'x',
    schemaVersion: 1,
    name: 'a',
    organisms: [{ role: 'b', name, stableId }],
    modules: {},
    ext: '0x',
  }
  assert.equal(toHex(parseCoalition(JSON.stringify(long))), toHex(short))
})

test('fromHex: keeps an extension that it does not know', () => {
  assert.equal(fromHex(canonical).ext, '0x0102')
  assert.equal(fromHex(canonical).coalitionId(), coalition.coalitionId())
})

test('fromHex: keeps an organism known by its stable id alone', () => {
  const unnamed = defineCoalition({ schemaVersion: 1, name: 'a', organisms: [{ role: 'b', stableId: word('aa') }] })
  assert.deepEqual(fromHex(toHex(unnamed)).file.organisms, [
    { role: 'b', stableId: word('aa'), name: undefined, contentHash: undefined },
  ])
})

test('fromHex and toHex: carry a coalition of thousands of citizens', () => {
  const lattices = Array.from({ length: 1_000 }, (_, index) => ({ name: `chain-${index}`, chainId: index + 1 }))
  const organisms = lattices.map(({ name }) => ({ role: 'oracle', name, contentHash: word('aa') }))
  const large = defineCoalition({ schemaVersion: 1, name: 'large', lattices, organisms })
  assert.deepEqual(deriveAll(fromHex(toHex(large))), deriveAll(large))
})

test('fromHex: refuses every truncation', () => {
  for (let end = canonical.length - 2; end >= 2; end -= 2) {
    assert.throws(() => fromHex(canonical.slice(0, end) as Hex), { code: 'TRUNCATED_CONFIG' }, `${end}`)
  }
})

test('fromHex: gives no two strings one meaning, and refuses with errors of its own', () => {
  for (let index = 2; index < canonical.length; index += 2) {
    const byte = Number.parseInt(canonical.slice(index, index + 2), 16)
    for (const changed of [byte ^ 0x01, byte ^ 0x80]) {
      const hex = `${canonical.slice(0, index)}${changed.toString(16).padStart(2, '0')}${canonical.slice(index + 2)}`
      assert.throws(() => fromHex(hex as Hex), CoalitionError, `byte ${index / 2 - 1}`)
    }
  }
})

/** Strings that mean something to a lax decoder, and how each is refused. */
const REFUSALS: [string, Hex, string][] = [
  ['what is not hex', '0xzz', 'INVALID_HEX'],
  ['upper case', canonical.toUpperCase().replace('0X', '0x') as Hex, 'INVALID_HEX'],
  ['half a byte', `${canonical}0`, 'INVALID_HEX'],
  ['hex without 0x', canonical.slice(2) as Hex, 'INVALID_HEX'],
  ['nothing', '0x', 'TRUNCATED_CONFIG'],
  ['a trailing byte', `${canonical}00`, 'NON_CANONICAL_CONFIG'],
  ['a trailing word', `${canonical}${'00'.repeat(32)}`, 'NON_CANONICAL_CONFIG'],
  ['more than 4 MiB', `0x${'00'.repeat(4 * 1024 * 1024 + 1)}`, 'CONFIG_TOO_LARGE'],
  ['version 2', encode({ schemaVersion: 2 }), 'UNKNOWN_SCHEMA_VERSION'],
  ['version 257', `0x${'0101'.padStart(64, '0')}${canonical.slice(66)}`, 'UNKNOWN_SCHEMA_VERSION'],
  ['another coalition’s id', encode({ coalitionId: word('aa') }), 'CONFIG_ID_MISMATCH'],
  ['another name', encode({ name: 'other' }), 'CONFIG_ID_MISMATCH'],
  ['another extension', encode({ ext: '0x0103' }), 'CONFIG_ID_MISMATCH'],
  ['modules out of order', encode({ modules: parts.modules.toReversed() }), 'NON_CANONICAL_CONFIG'],
  ['a module twice', encode({ modules: [parts.modules[0]!, ...parts.modules] }), 'NON_CANONICAL_CONFIG'],
  ['an unknown module', encode({ modules: [{ name: '__proto__', ...component }] }), 'UNKNOWN_MODULE'],
  ['two issuers', encode({ ticketIssuer: [parts.ticketIssuer[0]!, parts.ticketIssuer[0]!] }), 'NON_CANONICAL_CONFIG'],
  [
    'two content hashes',
    encode({ lattices: [{ ...parts.lattices[0]!, contentHash: [word('aa'), word('aa')] }] }),
    'NON_CANONICAL_CONFIG',
  ],
  ['an ill-formed name', encode({ name: 'Small' }), 'INVALID_NAME'],
  ['no name', encode({ name: '' }), 'INVALID_NAME'],
  ['a chain id of 0', encode({ lattices: [{ ...parts.lattices[0]!, chainId: 0n }] }), 'INVALID_CHAIN_ID'],
  ['a lattice twice', encode({ lattices: [parts.lattices[0]!, parts.lattices[0]!] }), 'DUPLICATE_STABLE_ID'],
  [
    'an organism whose name is another’s',
    encode({ organisms: [{ ...parts.organisms[0]!, name: 'x' }] }),
    'ORGANISM_STABLE_ID_MISMATCH',
  ],
  ['a span of one', encode({ confluences: [{ ...parts.confluences[0]!, spans: [word('aa')] }] }), 'SPAN_TOO_NARROW'],
  // The name's word, "small": 0xff is no UTF-8, and what stands behind it is padding.
  ['bad UTF-8', canonical.replace('736d616c6c', '736d61ff6c') as Hex, 'INVALID_NAME'],
  ['dirty padding', canonical.replace('736d616c6c00', '736d616c6c01') as Hex, 'NON_CANONICAL_CONFIG'],
]

for (const [name, hex, code] of REFUSALS)
  test(`fromHex: refuses ${name}`, () => {
    assert.throws(() => fromHex(hex), { code })
  })

test('fromHex: refuses dynamic parts in another order', () => {
  // Swaps the offsets and bodies of the first string and the last bytes: the same values to a lax decoder.
  const words = canonical.slice(2).match(/.{64}/g)!
  const at = (index: number) => Number.parseInt(words[index]!, 16) / 32
  const [name, lattices, ext] = [at(2), at(3), at(8)]
  const reordered = [
    ...words.slice(0, name),
    ...words.slice(ext),
    ...words.slice(lattices, ext),
    ...words.slice(name, lattices),
  ]
  const shift = words.length - ext - (lattices - name)
  const offset = (index: number) => (32 * index).toString(16).padStart(64, '0')
  for (let field = 3; field <= 7; field++) reordered[field] = offset(at(field) + shift)
  reordered[2] = offset(name + words.length - lattices)
  reordered[8] = offset(name)
  assert.throws(() => fromHex(`0x${reordered.join('')}`), { code: 'NON_CANONICAL_CONFIG' })
})

test('fromHex: refuses many offsets to one large part, which would multiply the work', () => {
  const count = 50_000
  const toWord = (value: number) => value.toString(16).padStart(64, '0')
  const [nameAt, latticesAt] = [9 * 32, 11 * 32]
  const text = [toWord(1), '61'.padEnd(64, '0')]
  const lattice = [
    toWord(128),
    toWord(1),
    toWord(1),
    toWord(192),
    ...text,
    toWord(count),
    ...Array(count).fill(toWord(0)),
  ]
  const hostile = [
    ...[1, 0, nameAt, latticesAt, 0, 0, 0, 0, 0].map(toWord),
    ...text,
    toWord(count),
    ...Array(count).fill(toWord(32 * count)),
    ...lattice,
  ]
  assert.throws(() => fromHex(`0x${hostile.join('')}`), { code: 'NON_CANONICAL_CONFIG' })
})
