import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { signCard } from '../../../client/atlasPublisher.ts'
import { CARD_FILE_SIZE_MAX_BYTES, decodeSignedCard, encodeSignedCard } from '../../../protocol/wire/cardFile.ts'
import { type FetchCardParameters, fetchCard } from '../../../workers/atlas-sync/fetchCard.ts'
import { isPublicAddress } from '../../../workers/atlas-sync/publicAddress.ts'
import { cardOf, lattice, latticeKey } from '../../client/atlasWorld.ts'
import { createAuthority, serveCards } from './cardServer.ts'

const authority = createAuthority()
const { ca } = authority
const NAME = 'citizen.example'
const good = authority.issue(NAME)
const signed = signCard({ ...cardOf(lattice), atlas: `0x${'c0'.repeat(32)}`, sequence: 7n }, latticeKey.secretKey)
const file = encodeSignedCard(signed)
const loopback = async () => [{ address: '127.0.0.1', family: 4 }]

/** Fetches from a server that answers so. A test's server is on loopback, so private networks are let in. */
async function fetchFrom(
  answer: (response: ServerResponse) => void,
  { credentials = good, ...over }: Partial<FetchCardParameters> & { credentials?: typeof good } = {},
) {
  const server = await serveCards(credentials, answer)
  try {
    const url = `https://${NAME}:${server.port}/card.json`
    const card = await fetchCard({ url, timeoutMs: 5_000, ca, allowPrivate: true, resolve: loopback, ...over })
    return { card, asked: server.asked }
  } finally {
    server.close()
  }
}

test('fetchCard: gives what the citizen serves, asked by its name at the address that was looked at', async () => {
  let resolvedCount = 0
  const resolve = async (hostname: string) => {
    resolvedCount += 1
    assert.equal(hostname, NAME)
    return await loopback()
  }
  const { card, asked } = await fetchFrom((response) => response.end(file), { resolve })
  assert.deepEqual(card, signed)
  assert.match(asked.join(), /^citizen\.example:\d+ \/card\.json$/)
  assert.equal(resolvedCount, 1)
})

test('fetchCard: refuses what is no card, one byte too many, and a compressed answer', async () => {
  for (const text of ['', 'no', '{}', file.replace('"lattice"', '"planet"'), file.slice(0, -4)]) {
    await assert.rejects(
      fetchFrom((response) => response.end(text)),
      { code: 'CARD_MALFORMED' },
    )
  }
  const padded = (sizeBytes: number) => file.padEnd(sizeBytes, ' ')
  const largest = await fetchFrom((response) => response.end(padded(CARD_FILE_SIZE_MAX_BYTES)))
  assert.deepEqual(largest.card, signed)
  await assert.rejects(
    fetchFrom((response) => response.end(padded(CARD_FILE_SIZE_MAX_BYTES + 1))),
    {
      code: 'CARD_UNREACHABLE',
      message: /larger than any card/,
    },
  )
  const endless = (response: ServerResponse): void => {
    while (response.write(' '.repeat(65_536)));
    response.once('drain', () => endless(response))
  }
  await assert.rejects(fetchFrom(endless), { code: 'CARD_UNREACHABLE', message: /larger than any card/ })
  const compressed = (response: ServerResponse) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(file)
  await assert.rejects(fetchFrom(compressed), { code: 'CARD_UNREACHABLE', message: /compressed/ })
})

test('fetchCard: follows no redirect, wherever it leads', async () => {
  for (const location of ['https://169.254.169.254/latest', 'http://10.0.0.1/', '/elsewhere']) {
    for (const status of [301, 302, 303, 307, 308]) {
      const redirect = (response: ServerResponse) => response.writeHead(status, { location }).end()
      await assert.rejects(fetchFrom(redirect), { code: 'CARD_UNREACHABLE', message: /redirects/ })
    }
  }
  await assert.rejects(
    fetchFrom((response) => response.writeHead(404).end()),
    { code: 'CARD_UNREACHABLE' },
  )
})

test('fetchCard: waits no longer than it may, for a name, for headers or for the rest', async () => {
  const never = () => new Promise<never>(() => {})
  const late = { code: 'CARD_UNREACHABLE', isRetryable: true, message: /no whole answer within 300 ms/ }
  await assert.rejects(
    fetchFrom(() => {}, { timeoutMs: 300, resolve: never }),
    late,
  )
  await assert.rejects(
    fetchFrom(() => {}, { timeoutMs: 300 }),
    late,
  )
  await assert.rejects(
    fetchFrom((response) => response.write(file.slice(0, 9)), { timeoutMs: 300 }),
    late,
  )
})

test('fetchCard: refuses a certificate of a stranger, for another name, or that ended', async () => {
  const end = (response: ServerResponse) => response.end(file)
  const refused = { code: 'CARD_UNREACHABLE' }
  await assert.rejects(fetchFrom(end, { ca: createAuthority().ca }), refused)
  await assert.rejects(fetchFrom(end, { ca: undefined }), refused)
  await assert.rejects(fetchFrom(end, { credentials: authority.issue('other.example') }), {
    ...refused,
    message: /ERR_TLS_CERT_ALTNAME_INVALID/,
  })
  const ended = authority.issue(NAME, { notAfterMs: Date.now() - 60_000 })
  await assert.rejects(fetchFrom(end, { credentials: ended }), { ...refused, message: /CERT_HAS_EXPIRED/ })
})

test('fetchCard: goes to no private network, by name, by number or by one of several addresses', async () => {
  const refusedOf = async (of: Partial<FetchCardParameters>): Promise<void> => {
    const server = await serveCards(good, (response) => response.end(file))
    const url = `https://${NAME}:${server.port}/card.json`
    await assert.rejects(fetchCard({ url, timeoutMs: 2_000, ca, resolve: loopback, ...of }), {
      code: 'CARD_URL_REFUSED',
    })
    assert.deepEqual(server.asked, [])
    server.close()
  }
  await refusedOf({})
  await refusedOf({ resolve: async () => [{ address: '93.184.215.14', family: 4 }, ...(await loopback())] })
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[fd00::1]',
    '169.254.169.254',
  ]) {
    await refusedOf({ url: `https://${host}/card.json` })
  }
})

test('fetchCard: takes no URL but https without a user', async () => {
  for (const url of ['http://citizen.example/', 'file:///etc/passwd', 'https://a:b@citizen.example/', 'nothing', '']) {
    await assert.rejects(fetchCard({ url, timeoutMs: 1_000, resolve: loopback }), { code: 'CARD_URL_REFUSED' })
  }
  const long = `https://citizen.example/${'x'.repeat(2_100)}`
  await assert.rejects(fetchCard({ url: long, timeoutMs: 1_000, resolve: loopback }), { code: 'CARD_URL_REFUSED' })
  const none = { url: 'https://citizen.example/', timeoutMs: 1_000, resolve: async () => [] }
  await assert.rejects(fetchCard(none), { code: 'CARD_UNREACHABLE' })
})

test('isPublicAddress: tells the open Internet from all else', () => {
  const open = ['1.1.1.1', '93.184.215.14', '172.15.255.255', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00::1']
  const closed = [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.255', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.0.0.8', '192.168.1.1', '198.18.0.1', '203.0.113.9', '224.0.0.1', '255.255.255.255'],
    ...[
      '::',
      '::1',
      '::ffff:1.1.1.1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      'fe80::1',
      'fe80::1%lo',
      'fc00::1',
      'fd12::1',
    ],
    ...[
      'ff02::1',
      '2001::1',
      '2001:db8::1',
      '2002:a00:1::',
      '3fff::1',
      '',
      'citizen.example',
      '1.1.1',
      '2606:4700::1%eth0',
    ],
  ]
  assert.deepEqual(
    open.filter((address) => !isPublicAddress(address)),
    [],
  )
  assert.deepEqual(closed.filter(isPublicAddress), [])
})

test('decodeSignedCard: is the inverse of encoding, and refuses unknown keys and a wrong signature’s length', () => {
  assert.deepEqual(decodeSignedCard(file), signed)
  const json = JSON.parse(file) as { card: object; signature: string }
  const wrongs = [
    { ...json, more: 1 },
    { ...json, card: { ...json.card, more: 1 } },
    { ...json, signature: `${json.signature}00` },
    { ...json, card: { ...json.card, sequence: 7 } },
    { ...json, card: { ...json.card, sequence: '07' } },
    { card: json.card },
  ]
  for (const wrong of wrongs) {
    assert.throws(() => decodeSignedCard(JSON.stringify(wrong)), { code: 'CARD_MALFORMED' })
  }
})
