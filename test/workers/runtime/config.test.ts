import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeVerifierKey } from '../../../protocol/log/verifierKey.ts'
import {
  InvalidSettingError,
  readAtlasSyncSettings,
  readMemberSettings,
  readPassword,
} from '../../../workers/runtime/config.ts'
import { createTestDir } from '../member/chronicle-of-tests.ts'

function passwordFile(text: string): { KEYSTORE_PASSWORD_FILE: string } {
  const path = join(createTestDir(), 'password.txt')
  writeFileSync(path, text)
  return { KEYSTORE_PASSWORD_FILE: path }
}

test('readPassword: takes the first line, whatever follows it', () => {
  for (const end of ['', '\n', '\r\n', '\nnotes\n', '\n\n'])
    assert.equal(readPassword(passwordFile(`secret${end}`)), 'secret')
})

test('readPassword: refuses an empty first line and a file that is not there', () => {
  assert.throws(() => readPassword(passwordFile('\nsecret\n')), InvalidSettingError)
  assert.throws(() => readPassword({ KEYSTORE_PASSWORD_FILE: join(createTestDir(), 'none') }), InvalidSettingError)
})

test('readMemberSettings: runs the Chronicle unless COMPONENT names another, and refuses what is none', (t) => {
  const before = { ...process.env }
  t.after(() => {
    process.env = before
  })
  delete process.env.COMPONENT
  Object.assign(process.env, { COALITION_CONFIG: 'a', KEYSTORE: 'a', KEYSTORE_PASSWORD_FILE: 'a', STORE: 'a' })
  assert.equal(readMemberSettings().COMPONENT, 'chronicle')
  process.env.COMPONENT = 'tickets'
  assert.equal(readMemberSettings().COMPONENT, 'tickets')
  for (const COMPONENT of ['compute', 'Atlas', '', 'toString']) {
    process.env.COMPONENT = COMPONENT
    assert.throws(readMemberSettings, { code: 'INVALID_SETTING', message: /^The setting COMPONENT cannot be used/ })
  }
})

const publicKey = new Uint8Array(32).fill(7)
const vkey = encodeVerifierKey({ name: 'witness.example/w1', algorithm: 'cosignature/v1', publicKey })
const noteKey = encodeVerifierKey({ name: 'witness.example/w1', algorithm: 'ed25519', publicKey })

function readMemberWith(changes: NodeJS.ProcessEnv) {
  const required = { COALITION_CONFIG: 'c', KEYSTORE: 'k', KEYSTORE_PASSWORD_FILE: 'p', STORE: 's' }
  const before = process.env
  process.env = { ...before, ...required, ...changes }
  try {
    return readMemberSettings()
  } finally {
    process.env = before
  }
}
const readWitnesses = (value: string) => readMemberWith({ WITNESSES: value }).WITNESSES
const readIssuers = (value: string) => readMemberWith({ ISSUERS: value }).ISSUERS

test('WITNESSES: a verifier key and a URL each, separated by commas', () => {
  const read = readWitnesses(`${vkey} https://witness.example/w1/,  ${vkey}   http://127.0.0.1:8080`)
  const key = { name: 'witness.example/w1', algorithm: 'cosignature/v1', publicKey }
  assert.deepEqual(read, [
    { key, url: 'https://witness.example/w1' },
    { key, url: 'http://127.0.0.1:8080' },
  ])
})

const unusable = ['', vkey, `https://w.example ${vkey}`, `${vkey} ftp://w.example`, `${vkey} https://w.example more`]
for (const value of [...unusable, `${noteKey} https://w.example`, Array(17).fill(`${vkey} https://w.example`).join()])
  test(`WITNESSES: refuses ${value.slice(0, 100)}`, () => {
    assert.throws(() => readWitnesses(value), InvalidSettingError)
  })

test('ISSUERS: a path and URLs each, separated by commas; none where it is not set', () => {
  assert.deepEqual(readIssuers('a.json http://127.0.0.1:1  https://b.example/log, /etc/b.json'), [
    { config: 'a.json', urls: ['http://127.0.0.1:1', 'https://b.example/log'] },
    { config: '/etc/b.json', urls: [] },
  ])
  assert.deepEqual(readMemberWith({}).ISSUERS, [])
})

const manyUrls = Array(17).fill('http://127.0.0.1:1').join(' ')
for (const value of [
  '',
  'a.json,',
  'a.json b.json',
  'a.json ftp://b.example',
  `a.json ${manyUrls}`,
  'a,'.repeat(16).concat('a'),
])
  test(`ISSUERS: refuses ${value.slice(0, 100)}`, () => {
    assert.throws(() => readIssuers(value), { code: 'INVALID_SETTING', message: /^The setting ISSUERS/ })
  })

for (const [setting, given, message] of [
  ['STORE', undefined, 'it is missing, and takes the path of a folder'],
  ['COALITION_CONFIG', '', '"" is not a path'],
  ['HTTP_PORT', '65536', '"65536" is not a whole number from 0 to 65535'],
  ['HTTP_PORT', 'http', '"http" is not a whole number from 0 to 65535'],
  ['RPC_AGREE_COUNT', '17', '"17" is not a whole number from 1 to 16'],
  ['COMPONENT', 'Atlas', '"Atlas" is not one of atlas, almanac, chronicle, tickets'],
  ['LOG_LEVEL', 'loud', '"loud" is not one of trace, debug, info, warn, error, fatal, silent'],
  ['LOG_LEVEL', '\n'.repeat(65), `"${'\\n'.repeat(64)}"… is not one of trace, debug, info, warn, error, fatal, silent`],
  ['REDIS_URL', 'user:secret', 'what is given is not a redis:// or rediss:// URL'],
  ['RPC_URLS', 'https://a.example,secret', 'what is given is not 1 to 16 http or https URLs, separated by commas'],
] as const)
  test(`readMemberSettings: says of ${setting} what was given and what is allowed, given ${JSON.stringify(given)?.slice(0, 30)}`, () => {
    const expected = { code: 'INVALID_SETTING', message: `The setting ${setting} cannot be used: ${message}.` }
    assert.throws(() => readMemberWith({ [setting]: given }), expected)
  })

test('readMemberSettings: repeats no URL of a setting that has some among other things', () => {
  assert.throws(
    () => readMemberWith({ WITNESSES: `${noteKey} https://user:secret@w.example` }),
    (error: Error) => /^The setting WITNESSES/.test(error.message) && !error.message.includes('secret'),
  )
})

test('readAtlasSyncSettings: is careful unless it is told otherwise, and refuses what is no place for a card', (t) => {
  const before = { ...process.env }
  t.after(() => {
    process.env = before
  })
  Object.assign(process.env, { COALITION_CONFIG: 'a', KEYSTORE: 'a', KEYSTORE_PASSWORD_FILE: 'a' })
  Object.assign(process.env, { RPC_URLS: 'http://127.0.0.1:1', LOG_URLS: 'http://127.0.0.1:2' })
  const id = `0x${'a1'.repeat(32)}`
  const { ALLOW_PRIVATE_NETWORKS, HTTP_HOST, SELF_PUBLISHED } = readAtlasSyncSettings()
  assert.deepEqual([ALLOW_PRIVATE_NETWORKS, HTTP_HOST, SELF_PUBLISHED.size], [false, '127.0.0.1', 0])
  process.env.SELF_PUBLISHED = `${id}=https://a.example/?x=1, 0x${'b2'.repeat(32)}=https://b.example/`
  assert.equal(readAtlasSyncSettings().SELF_PUBLISHED.get(`0x${'a1'.repeat(32)}`), 'https://a.example/?x=1')
  for (const wrong of ['', id, `${id}=`, `${id}=http://a.example/`, `0x12=https://a.example/`, `${id}=https://a b`]) {
    process.env.SELF_PUBLISHED = wrong
    assert.throws(readAtlasSyncSettings, { code: 'INVALID_SETTING', message: /^The setting SELF_PUBLISHED/ })
  }
  delete process.env.SELF_PUBLISHED
  for (const [setting, wrong] of [
    ['ALLOW_PRIVATE_NETWORKS', 'true'],
    ['PUBLISHED_BY', '0xAB'],
    ['CARD_TIMEOUT_MS', '0'],
  ] as const) {
    process.env[setting] = wrong
    assert.throws(readAtlasSyncSettings, { code: 'INVALID_SETTING', message: new RegExp(`^The setting ${setting}`) })
    delete process.env[setting]
  }
})
