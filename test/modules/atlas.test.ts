import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashTypedData } from 'viem'
import { type AtlasState, atlas } from '../../modules/atlas/machine.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { type AtlasCommand, decodeAtlasCommand, encodeAtlasCommand } from '../../protocol/wire/atlasCommand.ts'
import {
  encodeCardKeyChanged,
  encodeCardPublished,
  encodeCardWithdrawn,
  encodeCitizenListed,
  encodeCitizenUnlisted,
} from '../../protocol/wire/atlasEvent.ts'
import {
  CITIZENS_MAX,
  decodeAtlasParameters,
  encodeAtlasParameters,
  type ListedCitizen,
} from '../../protocol/wire/atlasParameters.ts'
import { toCardItem } from '../../protocol/wire/atlasState.ts'
import {
  CARD_ENDPOINTS_MAX,
  type CitizenCard,
  decodeCard,
  deriveCardDigest,
  deriveKeyChangeDigest,
  deriveWithdrawalDigest,
  encodeCard,
  hashCard,
} from '../../protocol/wire/citizenCard.ts'
import { deriveSignerAddress, signDigest } from '../../protocol/wire/signature.ts'
import { deriveStateRoot, isStateItemUnder, proveStateItem } from '../../protocol/wire/stateTree.ts'
import { DOMAIN } from '../../protocol/wire/typedData.ts'
import { testMachine } from './machineHarness.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const operator: Hex = `0x${'51'.repeat(20)}`
const stranger: Hex = `0x${'52'.repeat(20)}`
const lattice: Hex = `0x${'a1'.repeat(32)}`
const organism: Hex = `0x${'b2'.repeat(32)}`
const newcomer: Hex = `0x${'c3'.repeat(32)}`
const keys = { lattice: 1, organism: 2, other: 3 } as const
const keyOf = (name: keyof typeof keys): Uint8Array => new Uint8Array(32).fill(keys[name])
const signerOf = (name: keyof typeof keys): Hex => deriveSignerAddress(keyOf(name))
const citizens: ListedCitizen[] = [
  { citizen: lattice, cardSigner: signerOf('lattice') },
  { citizen: organism, cardSigner: signerOf('organism') },
]
const rules = { submitters: [operator], citizens, anchorEveryCommits: 3, anchorEverySeconds: 10 }
const parameters = encodeAtlasParameters(rules)

const card = (changes: Partial<CitizenCard> = {}): CitizenCard => ({
  atlas: component,
  citizen: lattice,
  role: 'builder',
  kind: 'lattice',
  endpoints: ['https://lattice.example/rpc', 'wss://lattice.example/ws'],
  ticketRoot: `0x${'00'.repeat(32)}`,
  mrTds: [`0x${'ab'.repeat(48)}`],
  schemaVersion: 1,
  sequence: 1n,
  ...changes,
})
const commandOf = (command: AtlasCommand, submitter = operator) => ({
  component,
  submitter,
  sequence: 1n,
  index: 0,
  payload: encodeAtlasCommand(command),
})
const publish = (changes: Partial<CitizenCard> = {}, by: keyof typeof keys = 'lattice'): AtlasCommand => ({
  kind: 'publish',
  card: encodeCard(card(changes)),
  signature: signDigest(deriveCardDigest(card(changes)), keyOf(by)),
})
const withdraw = (sequence: bigint, by: keyof typeof keys = 'lattice', citizen = lattice): AtlasCommand => {
  const withdrawal = { atlas: component, citizen, sequence }
  return { kind: 'withdraw', withdrawal, signature: signDigest(deriveWithdrawalDigest(withdrawal), keyOf(by)) }
}
const changeKey = (sequence: bigint, to: Hex, by: keyof typeof keys = 'lattice'): AtlasCommand => {
  const change = { atlas: component, citizen: lattice, cardSigner: to, sequence }
  return { kind: 'changeKey', change, signature: signDigest(deriveKeyChangeDigest(change), keyOf(by)) }
}
const organismCard = { citizen: organism, kind: 'organism', role: 'oracle', mrTds: [] } as const

testMachine({
  name: 'atlas',
  machine: atlas,
  parameters,
  commands: [
    commandOf(publish()),
    commandOf(publish({ ...organismCard, sequence: 7n }, 'organism'), signerOf('organism')),
    commandOf(publish({ sequence: 2n, endpoints: [] })),
    commandOf(withdraw(3n)),
    commandOf(changeKey(4n, signerOf('other'))),
    commandOf({ kind: 'list', citizens: [citizens[1]!, { citizen: newcomer, cardSigner: signerOf('other') }] }),
    commandOf({ kind: 'requestAnchor' }),
  ],
  refused: [
    commandOf(publish({ sequence: 9n }, 'other')), // left the list
    commandOf(publish({ ...organismCard, sequence: 7n }, 'organism')),
    commandOf(publish({ ...organismCard, sequence: 8n }, 'other')),
    commandOf(publish({ ...organismCard, sequence: 8n }, 'organism'), stranger),
    commandOf({ kind: 'list', citizens }),
    { ...commandOf({ kind: 'requestAnchor' }), payload: new Uint8Array(0) },
    { ...commandOf({ kind: 'requestAnchor' }), payload: new Uint8Array(32) },
  ],
})

/** Applies commands one after the other, and gives what the log then says. */
function run(...commands: readonly ReturnType<typeof commandOf>[]): { state: AtlasState; events: Hex[] } {
  let state = atlas.genesis(parameters)
  const events: Hex[] = []
  for (const command of commands) {
    atlas.validate(state, command)
    const applied = atlas.apply(state, command, { height: 1n, timestampMs: 1n })
    state = applied.state
    events.push(...applied.events.map(toHex))
  }
  return { state, events }
}

function refusalOf(state: AtlasState, command: ReturnType<typeof commandOf>): string {
  try {
    atlas.validate(state, command)
    return 'accepted'
  } catch (error) {
    assert.ok(error instanceof CoalitionError, String(error))
    return error.code
  }
}

test('atlas: a published card is provable under the state root, a replaced or withdrawn one is not', () => {
  const published = run(commandOf(publish()))
  const item = toCardItem(lattice, hashCard(card()))
  const items = atlas.items(published.state)
  assert.ok(isStateItemUnder(deriveStateRoot(items), { item, proof: proveStateItem(items, item) }))
  for (const next of [publish({ sequence: 2n }), withdraw(2n)]) {
    const { state } = run(commandOf(publish()), commandOf(next))
    assert.throws(() => proveStateItem(atlas.items(state), item), RangeError)
  }
})

test('atlas: the log alone gives a reader every card and every key', () => {
  const other = signerOf('other')
  const list = [citizens[1]!, { citizen: newcomer, cardSigner: other }]
  const { events } = run(
    commandOf(publish()),
    commandOf(changeKey(2n, other)),
    commandOf(publish({ sequence: 3n }, 'other')),
    commandOf(withdraw(4n, 'other')),
    commandOf({ kind: 'list', citizens: list }),
  )
  const expected = [
    encodeCardPublished(encodeCard(card())),
    encodeCardKeyChanged({ citizen: lattice, cardSigner: other, sequence: 2n }),
    encodeCardPublished(encodeCard(card({ sequence: 3n }))),
    encodeCardWithdrawn({ citizen: lattice, sequence: 4n }),
    encodeCitizenUnlisted(lattice),
    encodeCitizenListed(list[1]!),
  ]
  assert.deepEqual(events, expected.map(toHex))
})

test('atlas: names each refusal', () => {
  const { state } = run(commandOf(publish({ sequence: 5n })))
  const far = { atlas: `0x${'c1'.repeat(32)}` as Hex, sequence: 6n }
  const cases: [string, ReturnType<typeof commandOf>][] = [
    ['CARD_STALE', commandOf(publish({ sequence: 5n }))],
    ['CARD_STALE', commandOf(withdraw(5n))],
    ['CARD_STALE', commandOf(changeKey(5n, signerOf('other')))],
    ['CARD_FORGED', commandOf(publish({ sequence: 6n }, 'other'))],
    ['CARD_FORGED', commandOf(withdraw(6n, 'other'))],
    ['CARD_FORGED', commandOf(changeKey(6n, signerOf('other'), 'other'))],
    ['CARD_ELSEWHERE', commandOf(publish(far))],
    ['CITIZEN_UNKNOWN', commandOf(publish({ citizen: newcomer, sequence: 6n }))],
    ['NO_CARD', commandOf(withdraw(1n, 'organism', organism))],
    ['ATLAS_SUBMITTER_REFUSED', commandOf(publish({ sequence: 6n }), stranger)],
    ['ATLAS_SUBMITTER_REFUSED', commandOf(publish({ sequence: 6n }), signerOf('organism'))],
    ['ATLAS_SUBMITTER_REFUSED', commandOf({ kind: 'list', citizens }, signerOf('lattice'))],
    ['ATLAS_SUBMITTER_REFUSED', commandOf({ kind: 'requestAnchor' }, signerOf('lattice'))],
    [
      'CARD_KEY_CHANGED_BY_LIST',
      commandOf({ kind: 'list', citizens: [{ citizen: lattice, cardSigner: signerOf('other') }] }),
    ],
    ['UNKNOWN_COMMAND', { ...commandOf(withdraw(6n)), payload: Uint8Array.of(1) }],
    ['accepted', commandOf(publish({ sequence: 6n }), signerOf('lattice'))],
    ['accepted', commandOf(publish({ sequence: 2n ** 64n - 1n }))],
  ]
  for (const [code, command] of cases) assert.equal(refusalOf(state, command), code)
})

test('atlas: after a change of key the old key speaks for the citizen no more', () => {
  const { state } = run(commandOf(changeKey(1n, signerOf('other'))))
  assert.equal(refusalOf(state, commandOf(publish({ sequence: 2n }))), 'CARD_FORGED')
  assert.equal(refusalOf(state, commandOf(publish({ sequence: 2n }, 'other'))), 'accepted')
  assert.equal(refusalOf(state, commandOf({ kind: 'list', citizens })), 'CARD_KEY_CHANGED_BY_LIST')
})

test('atlas: leaving and coming back resets neither key nor sequence, and brings no card back', () => {
  const { state } = run(
    commandOf(publish({ sequence: 5n })),
    commandOf({ kind: 'list', citizens: [citizens[1]!] }),
    commandOf({ kind: 'list', citizens }),
  )
  assert.equal(state.citizens.get(lattice)?.card, undefined)
  assert.equal(refusalOf(state, commandOf(publish({ sequence: 5n }))), 'CARD_STALE')
  const another = [{ citizen: lattice, cardSigner: signerOf('other') }, citizens[1]!]
  assert.equal(refusalOf(state, commandOf({ kind: 'list', citizens: another })), 'CARD_KEY_CHANGED_BY_LIST')
})

test('atlas: remembers no more citizens than its bound, those that left included', () => {
  const idOf = (index: number): Hex => `0x${(index + 1).toString(16).padStart(64, '0')}`
  const many = (first: number, count: number): ListedCitizen[] =>
    Array.from({ length: count }, (_, index) => ({ citizen: idOf(first + index), cardSigner: signerOf('other') }))
  const full = atlas.genesis(encodeAtlasParameters({ ...rules, citizens: many(0, CITIZENS_MAX) }))
  assert.equal(refusalOf(full, commandOf({ kind: 'list', citizens: many(1, CITIZENS_MAX) })), 'CITIZENS_FULL')
  assert.equal(refusalOf(full, commandOf({ kind: 'list', citizens: many(1, CITIZENS_MAX - 1) })), 'accepted')
  assert.throws(() => encodeAtlasParameters({ ...rules, citizens: many(0, CITIZENS_MAX + 1) }), {
    code: 'INVALID_ATLAS_PARAMETERS',
  })
})

test('deriveCardDigest: is what viem’s hashTypedData gives', () => {
  const { kind, ...message } = card()
  const fields =
    'bytes32 atlas,bytes32 citizen,string role,uint8 kind,string[] endpoints,bytes32 ticketRoot,bytes[] mrTds,uint32 schemaVersion,uint64 sequence'
  const CitizenCard = fields.split(',').map((field) => {
    const [type = '', name = ''] = field.split(' ')
    return { type, name }
  })
  const expected = hashTypedData({
    domain: DOMAIN,
    types: { CitizenCard },
    primaryType: 'CitizenCard',
    message: { ...message, kind: 0 },
  })
  assert.equal(deriveCardDigest(card()), expected)
})

test('decodeCard: is the exact inverse of encoding, and refuses every truncation, longer bytes and flipped padding', () => {
  const bytes = encodeCard(card())
  assert.deepEqual(decodeCard(bytes), card())
  for (let size = 0; size < bytes.length; size += 7) {
    assert.throws(() => decodeCard(bytes.subarray(0, size)), CoalitionError)
  }
  assert.throws(() => decodeCard(new Uint8Array([...bytes, ...new Uint8Array(32)])), { code: 'CARD_MALFORMED' })
  const dirty = Uint8Array.from(bytes)
  dirty[bytes.length - 1] = 1 // after the 48 bytes of the last MR_TD
  assert.throws(() => decodeCard(dirty), { code: 'CARD_MALFORMED' })
  assert.throws(() => decodeCard(new Uint8Array(1 << 20)), { code: 'CARD_MALFORMED' })
})

test('encodeCard: refuses what is out of bounds', () => {
  const refused: [Partial<CitizenCard>, string][] = [
    [{ endpoints: Array.from({ length: CARD_ENDPOINTS_MAX + 1 }, () => 'https://a.example') }, 'CARD_MALFORMED'],
    [{ endpoints: [`https://a.example/${'x'.repeat(256)}`] }, 'CARD_MALFORMED'],
    [{ endpoints: [''] }, 'CARD_MALFORMED'],
    [{ endpoints: ['not a url'] }, 'CARD_MALFORMED'],
    [{ mrTds: Array.from({ length: 17 }, () => `0x${'ab'.repeat(48)}` as Hex) }, 'CARD_MALFORMED'],
    [{ mrTds: [`0x${'ab'.repeat(32)}`] }, 'INVALID_HEX'],
    [{ citizen: '0xAB' }, 'INVALID_HEX'],
    [{ role: 'Builder' }, 'INVALID_NAME'],
    [{ sequence: 0n }, 'CARD_MALFORMED'],
    [{ schemaVersion: 2 ** 32 }, 'CARD_MALFORMED'],
  ]
  for (const [changes, code] of refused) assert.throws(() => encodeCard(card(changes)), { code })
})

test('decodeAtlasCommand: is the exact inverse of encoding, and refuses all else', () => {
  const commands: AtlasCommand[] = [
    publish(),
    withdraw(2n),
    changeKey(3n, signerOf('other')),
    { kind: 'list', citizens },
    { kind: 'list', citizens: [] },
    { kind: 'requestAnchor' },
  ]
  for (const command of commands) {
    const bytes = encodeAtlasCommand(command)
    assert.deepEqual(decodeAtlasCommand(bytes), command)
    for (let size = 0; size < bytes.length; size += 5) {
      assert.throws(() => decodeAtlasCommand(bytes.subarray(0, size)), CoalitionError)
    }
    assert.throws(() => decodeAtlasCommand(new Uint8Array([...bytes, ...new Uint8Array(32)])), CoalitionError)
  }
  assert.throws(() => decodeAtlasCommand(new Uint8Array(1 << 20)), { code: 'UNKNOWN_COMMAND' })
})

test('decodeAtlasParameters: is the exact inverse of encoding, and refuses a list out of order', () => {
  assert.deepEqual(decodeAtlasParameters(parameters), rules)
  assert.throws(() => encodeAtlasParameters({ ...rules, citizens: [...citizens].reverse() }), {
    code: 'INVALID_ATLAS_PARAMETERS',
  })
  assert.throws(() => encodeAtlasParameters({ ...rules, citizens: [citizens[0]!, citizens[0]!] }), {
    code: 'INVALID_ATLAS_PARAMETERS',
  })
  assert.throws(() => encodeAtlasParameters({ ...rules, anchorEverySeconds: 0 }), { code: 'INVALID_ATLAS_PARAMETERS' })
  const bytes = Uint8Array.from([...parameters, ...fromHex(`0x${'00'.repeat(32)}`)])
  assert.throws(() => decodeAtlasParameters(bytes), { code: 'INVALID_ATLAS_PARAMETERS' })
})
