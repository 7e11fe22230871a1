import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCoalition } from '../../../protocol/identity/coalition.ts'
import { LIST_LENGTH_MAX } from '../../../protocol/identity/configSchema.ts'

const word = (byte: string) => `0x${byte.repeat(32)}`
const account = (byte: string) => `0x${byte.repeat(20)}`
const base = { schemaVersion: 1, name: 'ethereum.superchain' }
const lattice = { name: 'ethereum.mainnet', chainId: 1 }
const organism = { role: 'oracle', name: 'price-feed.eur' }
const component = { contentHash: word('c0'), committee: word('c1') }
const confluence = { name: 'intents', spans: [word('aa'), word('bb')], ...component }
const home = { chainId: 31337, registry: account('cc') }
const parameters = { submitters: [account('aa')], anchorEveryCommits: 16, anchorEverySeconds: 60 }
const members = [{ signer: account('aa') }, { signer: account('bb') }]
const { committee } = component
const chronicle = { parameters, committee }

const withLattice = (changes: object) => ({ ...base, lattices: [{ ...lattice, ...changes }] })
const withOrganism = (changes: object) => ({ ...base, organisms: [{ ...organism, ...changes }] })
const withConfluence = (changes: object) => ({ ...base, confluences: [{ ...confluence, ...changes }] })
const withAtlas = (changes: object) => ({ ...base, modules: { atlas: { ...component, ...changes } } })
const cadence = { anchorEveryCommits: 16, anchorEverySeconds: 60 }
const withModule = (name: string, defaults: object) => (changes: object) => ({
  ...base,
  home,
  modules: { [name]: { committee, parameters: { ...defaults, ...cadence, ...changes } } },
})
const withAtlasTold = withModule('atlas', { submitters: [account('aa')], citizens: [] })
const withAlmanacTold = withModule('almanac', { tickEveryMs: 1000 })
const withIssuerTold = (changes: object) => ({
  ...base,
  ticketIssuer: {
    name: 'a',
    committee,
    parameters: { issuers: [account('aa')], ...cadence, heartbeatEverySeconds: 600, ...changes },
  },
})
const withChronicle = (changes: object) => ({ ...base, home, modules: { chronicle: { ...chronicle, ...changes } } })

const ILL_FORMED_NAMES = [
  '',
  '.',
  'a.',
  '.a',
  'a..b',
  'A',
  'a b',
  'a/b',
  'ä',
  'a\n',
  'a'.repeat(65),
  `${'a.'.repeat(32)}b`,
]
const ILL_FORMED_CHAIN_IDS = [0, '0', '01', '+1', '-1', '', ' 1', '1e3', '0x1', '1.0', '18446744073709551616']
const ILL_FORMED_HASHES = [
  '0x',
  '0xab',
  'c0'.repeat(32),
  word('C0'),
  `0X${'c0'.repeat(32)}`,
  `${word('c0')}00`,
  word('zz'),
]

/** What is refused, by which code, and how its message begins: the place, or what is wrong as a whole. */
const REFUSALS: [string, unknown, string, string][] = [
  // The shape.
  ['null', null, 'WRONG_TYPE', 'The config is not an object'],
  ['a list', [], 'WRONG_TYPE', 'The config is not an object'],
  ['a string', 'empty', 'WRONG_TYPE', 'The config is not an object'],
  ['no schema version', { name: 'a' }, 'UNKNOWN_SCHEMA_VERSION', 'The config'],
  ['schema version 2', { ...base, schemaVersion: 2, newKey: 1 }, 'UNKNOWN_SCHEMA_VERSION', 'The config'],
  ['a schema version in quotes', { ...base, schemaVersion: '1' }, 'UNKNOWN_SCHEMA_VERSION', 'The config'],
  ['an unknown key', { ...base, lattice: [] }, 'UNKNOWN_KEY', 'lattice is not a key'],
  ['an unknown key in a list', withLattice({ chainID: 1 }), 'UNKNOWN_KEY', 'lattices[0].chainID is not a key'],
  ['an unknown key in home', { ...base, home: { ...home, url: '' } }, 'UNKNOWN_KEY', 'home.url'],
  [
    'an unknown key of a member',
    withAtlas({ members: [{ signer: account('aa'), key: 1 }] }),
    'UNKNOWN_KEY',
    'modules.atlas.members[0].key',
  ],
  [
    'an unknown key that inherits',
    JSON.parse('{"schemaVersion":1,"name":"a","constructor":1}'),
    'UNKNOWN_KEY',
    'constructor',
  ],
  [
    'a __proto__ key',
    JSON.parse('{"schemaVersion":1,"name":"a","__proto__":{"ext":"0x00"}}'),
    'UNKNOWN_KEY',
    '__proto__',
  ],
  [
    'the content hash of an issuer',
    { ...base, ticketIssuer: { name: 'a', ...component } },
    'UNKNOWN_KEY',
    'ticketIssuer.contentHash',
  ],
  [
    'a misspelt key, though another is missing',
    { ...base, lattices: [{ nmae: 'a', chainId: 1 }] },
    'UNKNOWN_KEY',
    'lattices[0].nmae',
  ],
  [
    'an unknown module',
    { ...base, modules: { oracle: component } },
    'UNKNOWN_MODULE',
    'modules.oracle is not a module',
  ],
  ['a module named like a method', { ...base, modules: { toString: component } }, 'UNKNOWN_MODULE', 'modules.toString'],
  [
    'parameters of a Compute',
    { ...base, home, modules: { compute: { ...component, parameters: {} } } },
    'PARAMETERS_UNSUPPORTED',
    'modules.compute.parameters',
  ],
  [
    'parameters of a confluence',
    withConfluence({ parameters: {} }),
    'PARAMETERS_UNSUPPORTED',
    'confluences[0].parameters',
  ],
  [
    'null in place of an optional value',
    withLattice({ stableId: null }),
    'WRONG_TYPE',
    'lattices[0].stableId is not a string',
  ],
  ['null in place of a list', { ...base, lattices: null }, 'WRONG_TYPE', 'lattices is not a list'],
  ['an object in place of a list', { ...base, organisms: {} }, 'WRONG_TYPE', 'organisms is not a list'],
  ['a list in place of an object', { ...base, modules: [] }, 'WRONG_TYPE', 'modules is not an object'],
  ['null in a list', { ...base, lattices: [null] }, 'WRONG_TYPE', 'lattices[0] is not an object'],
  ['no issuer written as null', { ...base, ticketIssuer: null }, 'WRONG_TYPE', 'ticketIssuer is not an object'],
  ['a name that is no string', { ...base, name: 1 }, 'WRONG_TYPE', 'name is not a string'],
  [
    'too many lattices',
    { ...base, lattices: Array(LIST_LENGTH_MAX + 1).fill(lattice) },
    'LIST_TOO_LONG',
    'lattices lists more than',
  ],
  [
    'too many members',
    withAtlas({ members: Array(257).fill(members[0]) }),
    'ADDRESS_COUNT',
    'modules.atlas.members lists 257',
  ],

  // Names and roles.
  ['no name', { schemaVersion: 1 }, 'MISSING_KEY', 'name is missing'],
  ['a lattice without a name', { ...base, lattices: [{ chainId: 1 }] }, 'MISSING_KEY', 'lattices[0].name is missing'],
  [
    'an organism without a role',
    { ...base, organisms: [{ name: 'a' }] },
    'MISSING_KEY',
    'organisms[0].role is missing',
  ],
  ['an issuer without a name', { ...base, ticketIssuer: { committee } }, 'MISSING_KEY', 'ticketIssuer.name is missing'],
  ...ILL_FORMED_NAMES.flatMap((name): [string, unknown, string, string][] => [
    [`the name ${JSON.stringify(name)}`, { ...base, name }, 'INVALID_NAME', 'name is not'],
    [`the lattice ${JSON.stringify(name)}`, withLattice({ name }), 'INVALID_NAME', 'lattices[0].name'],
    [`the role ${JSON.stringify(name)}`, withOrganism({ role: name }), 'INVALID_NAME', 'organisms[0].role'],
    [`the organism ${JSON.stringify(name)}`, withOrganism({ name }), 'INVALID_NAME', 'organisms[0].name'],
    [`the confluence ${JSON.stringify(name)}`, withConfluence({ name }), 'INVALID_NAME', 'confluences[0].name'],
    [
      `the issuer ${JSON.stringify(name)}`,
      { ...base, ticketIssuer: { name, committee } },
      'INVALID_NAME',
      'ticketIssuer.name',
    ],
  ]),

  // Chain ids; numbers that JSON itself could round are refused in json.test.ts.
  [
    'a lattice without a chain',
    { ...base, lattices: [{ name: 'a' }] },
    'MISSING_KEY',
    'lattices[0].chainId is missing',
  ],
  [
    'a chain id that is null',
    withLattice({ chainId: null }),
    'WRONG_TYPE',
    'lattices[0].chainId is not a number or a string',
  ],
  ...ILL_FORMED_CHAIN_IDS.flatMap((chainId): [string, unknown, string, string][] => [
    [`the chain id ${JSON.stringify(chainId)}`, withLattice({ chainId }), 'INVALID_CHAIN_ID', 'lattices[0].chainId'],
    [
      `the home chain ${JSON.stringify(chainId)}`,
      { ...base, home: { ...home, chainId } },
      'INVALID_CHAIN_ID',
      'home.chainId',
    ],
  ]),

  // Hex.
  ...ILL_FORMED_HASHES.flatMap((hash): [string, unknown, string, string][] => [
    [`the stable id ${hash} of a lattice`, withLattice({ stableId: hash }), 'INVALID_HEX', 'lattices[0].stableId'],
    [
      `the content hash ${hash} of a lattice`,
      withLattice({ contentHash: hash }),
      'INVALID_HEX',
      'lattices[0].contentHash',
    ],
    [`the stable id ${hash} of an organism`, withOrganism({ stableId: hash }), 'INVALID_HEX', 'organisms[0].stableId'],
    [
      `the content hash ${hash} of an organism`,
      withOrganism({ contentHash: hash }),
      'INVALID_HEX',
      'organisms[0].contentHash',
    ],
    [`the span ${hash}`, withConfluence({ spans: [word('aa'), hash] }), 'INVALID_HEX', 'confluences[0].spans[1]'],
    [
      `the content hash ${hash} of a module`,
      withAtlas({ contentHash: hash }),
      'INVALID_HEX',
      'modules.atlas.contentHash',
    ],
    [`the committee ${hash}`, withAtlas({ committee: hash }), 'INVALID_HEX', 'modules.atlas.committee'],
    [`the validators ${hash}`, withAtlas({ validators: hash }), 'INVALID_HEX', 'modules.atlas.validators'],
    [`the registry ${hash}`, { ...base, home: { ...home, registry: hash } }, 'INVALID_HEX', 'home.registry'],
  ]),
  ['an extension of half a byte', { ...base, ext: '0x0' }, 'INVALID_HEX', 'ext is not'],
  ['an extension in upper case', { ...base, ext: '0xAB' }, 'INVALID_HEX', 'ext is not'],

  // Citizens.
  [
    'one lattice twice',
    { ...base, lattices: [lattice, lattice] },
    'DUPLICATE_STABLE_ID',
    'lattices[1] has the stable id of lattices[0]',
  ],
  [
    'one organism twice, under two roles',
    { ...base, organisms: [organism, { ...organism, role: 'b' }] },
    'DUPLICATE_STABLE_ID',
    'organisms[1] has the stable id of organisms[0]',
  ],
  [
    'an organism with the stable id of a lattice',
    { ...base, lattices: [{ ...lattice, stableId: word('aa') }], organisms: [{ role: 'a', stableId: word('aa') }] },
    'DUPLICATE_STABLE_ID',
    'organisms[0] has the stable id of lattices[0]',
  ],
  [
    'two citizens that share their first 20 bytes',
    {
      ...base,
      lattices: [{ ...lattice, stableId: word('aa') }],
      organisms: [{ role: 'a', stableId: `${account('aa')}${'bb'.repeat(12)}` }],
    },
    'SHARED_CITIZEN_ID',
    'organisms[0] shares the first 20 bytes of its stable id with lattices[0]',
  ],
  [
    'an organism with neither name nor stable id',
    { ...base, organisms: [{ role: 'a' }] },
    'UNNAMED_ORGANISM',
    'organisms[0] has neither',
  ],
  [
    'an organism whose name and stable id disagree',
    withOrganism({ stableId: word('aa') }),
    'ORGANISM_STABLE_ID_MISMATCH',
    'organisms[0].stableId',
  ],

  // Confluences.
  ['a span of none', withConfluence({ spans: [] }), 'SPAN_TOO_NARROW', 'confluences[0].spans lists 0'],
  ['a span of one', withConfluence({ spans: [word('aa')] }), 'SPAN_TOO_NARROW', 'confluences[0].spans lists 1'],
  [
    'a span that lists one twice',
    withConfluence({ spans: [word('aa'), word('bb'), word('aa')] }),
    'DUPLICATE_SPAN',
    'confluences[0].spans[2]',
  ],
  [
    'one confluence twice',
    { ...base, confluences: [confluence, confluence] },
    'DUPLICATE_CONFLUENCE',
    'confluences[1] has the fingerprint of confluences[0]',
  ],

  // Committees and content hashes.
  [
    'a module without a content hash',
    { ...base, modules: { compute: { committee } } },
    'MISSING_KEY',
    'modules.compute.contentHash is missing',
  ],
  [
    'a component without a committee',
    { ...base, ticketIssuer: { name: 'a' } },
    'MISSING_HASH',
    'ticketIssuer.committee is missing',
  ],
  [
    'a committee that is not its members’',
    withAtlas({ members }),
    'HASH_MISMATCH',
    'modules.atlas.committee is not the hash of members',
  ],
  [
    'members out of order',
    withAtlas({ members: [...members].reverse() }),
    'ADDRESSES_OUT_OF_ORDER',
    'modules.atlas.members[1].signer',
  ],
  [
    'a member twice',
    withAtlas({ members: [members[0], members[0]] }),
    'ADDRESSES_OUT_OF_ORDER',
    'modules.atlas.members[1].signer',
  ],
  ['no members', withAtlas({ members: [] }), 'ADDRESS_COUNT', 'modules.atlas.members lists 0'],
  [
    'a checksummed signer',
    withAtlas({ members: [{ signer: account('aA') }] }),
    'INVALID_HEX',
    'modules.atlas.members[0].signer',
  ],
  [
    'the zero signer',
    withAtlas({ members: [{ signer: account('00') }] }),
    'ZERO_ADDRESS',
    'modules.atlas.members[0].signer',
  ],
  [
    'a short note key',
    withAtlas({ members: [{ signer: account('aa'), noteKey: account('aa') }] }),
    'INVALID_HEX',
    'modules.atlas.members[0].noteKey',
  ],
  [
    'a zero note key',
    withAtlas({ members: [{ signer: account('aa'), noteKey: word('00') }] }),
    'INVALID_NOTE_KEY',
    'modules.atlas.members[0].noteKey',
  ],

  // The Chronicle's parameters.
  [
    'a Chronicle without content',
    withChronicle({ parameters: undefined }),
    'MISSING_HASH',
    'modules.chronicle.contentHash is missing',
  ],
  [
    'a content hash that is not its parameters’',
    withChronicle({ contentHash: word('c0') }),
    'HASH_MISMATCH',
    'modules.chronicle.contentHash is not the hash of parameters',
  ],
  [
    'parameters without a home',
    { ...base, modules: { chronicle } },
    'MISSING_HOME',
    'modules.chronicle.parameters cannot be hashed',
  ],
  [
    'half a cadence',
    withChronicle({ parameters: { submitters: [account('aa')], anchorEveryCommits: 1 } }),
    'MISSING_KEY',
    'modules.chronicle.parameters.anchorEverySeconds',
  ],
  [
    'a cadence of zero',
    withChronicle({ parameters: { ...parameters, anchorEveryCommits: 0 } }),
    'INVALID_CADENCE',
    'modules.chronicle.parameters.anchorEveryCommits',
  ],
  [
    'a cadence above 32 bits',
    withChronicle({ parameters: { ...parameters, anchorEverySeconds: 2 ** 32 } }),
    'INVALID_CADENCE',
    'modules.chronicle.parameters.anchorEverySeconds',
  ],
  [
    'no submitter',
    withChronicle({ parameters: { ...parameters, submitters: [] } }),
    'ADDRESS_COUNT',
    'modules.chronicle.parameters.submitters lists 0',
  ],
  [
    'submitters out of order',
    withChronicle({ parameters: { ...parameters, submitters: [account('bb'), account('aa')] } }),
    'ADDRESSES_OUT_OF_ORDER',
    'modules.chronicle.parameters.submitters[1]',
  ],

  // Those of the other components.
  [
    'a content hash that is not the Almanac’s parameters’',
    {
      ...base,
      home,
      modules: { almanac: { ...component, parameters: { tickEveryMs: 1000, ...cadence } } },
    },
    'HASH_MISMATCH',
    'modules.almanac.contentHash is not the hash of parameters',
  ],
  [
    'a content hash that is not the Atlas’s parameters’',
    {
      ...base,
      home,
      modules: { atlas: { ...component, parameters: { submitters: [account('aa')], citizens: [], ...cadence } } },
    },
    'HASH_MISMATCH',
    'modules.atlas.contentHash is not the hash of parameters',
  ],
  [
    'an Atlas’s parameters without a home',
    { ...withAtlasTold({}), home: undefined },
    'MISSING_HOME',
    'modules.atlas.parameters cannot be hashed',
  ],
  [
    'a Chronicle’s parameters of an Almanac',
    withAlmanacTold({ submitters: [] }),
    'UNKNOWN_KEY',
    'modules.almanac.parameters.submitters',
  ],
  [
    'an Almanac without a cadence of ticks',
    withAlmanacTold({ tickEveryMs: undefined }),
    'MISSING_KEY',
    'modules.almanac.parameters.tickEveryMs',
  ],
  ['ticks in words', withAlmanacTold({ tickEveryMs: '1000' }), 'WRONG_TYPE', 'modules.almanac.parameters.tickEveryMs'],
  ...[0, 2 ** 32].map((tickEveryMs): [string, unknown, string, string] => [
    `a tick every ${tickEveryMs} ms`,
    withAlmanacTold({ tickEveryMs }),
    'INVALID_ALMANAC_PARAMETERS',
    'An Almanac cannot be told this: modules.almanac.parameters.tickEveryMs is not a whole number',
  ]),
  [
    'an Atlas whose submitters are out of order',
    withAtlasTold({ submitters: [account('bb'), account('aa')] }),
    'ADDRESSES_OUT_OF_ORDER',
    'modules.atlas.parameters.submitters[1]',
  ],
  [
    'an Atlas that lists a citizen twice',
    withAtlasTold({ citizens: Array(2).fill({ citizen: word('aa'), cardSigner: account('aa') }) }),
    'INVALID_ATLAS_PARAMETERS',
    'An Atlas cannot be told this: modules.atlas.parameters.citizens[1] does not follow',
  ],
  [
    'an Atlas that lists more citizens than it can remember',
    withAtlasTold({
      citizens: Array.from({ length: 1_025 }, (_, index) => ({
        citizen: `0x${index.toString(16).padStart(64, '0')}`,
        cardSigner: account('aa'),
      })),
    }),
    'INVALID_ATLAS_PARAMETERS',
    'An Atlas cannot be told this: modules.atlas.parameters.citizens lists 1025',
  ],
  [
    'a citizen’s id of 20 bytes',
    withAtlasTold({ citizens: [{ citizen: account('aa'), cardSigner: account('aa') }] }),
    'INVALID_HEX',
    'modules.atlas.parameters.citizens[0].citizen',
  ],
  [
    'an Atlas’s cadence of zero',
    withAtlasTold({ anchorEveryCommits: 0 }),
    'INVALID_ATLAS_PARAMETERS',
    'An Atlas cannot be told this: modules.atlas.parameters.anchorEveryCommits',
  ],
  [
    'an issuer without issuers',
    withIssuerTold({ issuers: [] }),
    'ADDRESS_COUNT',
    'ticketIssuer.parameters.issuers lists 0',
  ],
  [
    'an issuer without heartbeats',
    withIssuerTold({ heartbeatEverySeconds: 0 }),
    'INVALID_TICKET_ISSUER_PARAMETERS',
    'A ticket issuer cannot be told this: ticketIssuer.parameters.heartbeatEverySeconds',
  ],
  [
    'an unknown parameter of an issuer',
    withIssuerTold({ submitters: [] }),
    'UNKNOWN_KEY',
    'ticketIssuer.parameters.submitters',
  ],
]

for (const [name, file, code, message] of REFUSALS)
  test(`parseCoalition: refuses ${name.slice(0, 80)}`, () => {
    assert.throws(
      () => parseCoalition(JSON.stringify(file)),
      (error: { code: string; message: string; fix: string }) => {
        assert.deepEqual([error.code, error.message.slice(0, message.length)], [code, message])
        assert.match(error.fix, /\.$/)
        return true
      },
    )
  })

test('parseCoalition: refuses more than 4 MiB before it parses them', () => {
  assert.throws(() => parseCoalition(`{${' '.repeat(4 * 1024 * 1024)}`), { code: 'CONFIG_TOO_LARGE' })
})

test('parseCoalition: names one refusal of many, always the same', () => {
  const file = { ...base, lattices: [{ name: 'A', chainId: 0, stableId: '0x' }], organisms: [{ role: '' }], ext: '0x0' }
  assert.throws(() => parseCoalition(JSON.stringify(file)), { code: 'INVALID_NAME', message: /^lattices\[0\]\.name / })
})
