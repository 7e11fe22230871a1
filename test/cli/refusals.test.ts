import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { encodeMemberStatus, type MemberStatus } from '../../client/memberStatus.ts'
import { readComponent } from '../../client/readComponent.ts'
import { encodeLogOrigin } from '../../protocol/log/logOrigin.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { runCli } from '../../scripts/demo/committee.ts'
import { type Service, startChain } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const root = join(import.meta.dirname, '../..')
const dir = createTestDir()
const config = join(root, 'examples/superchain/coalition.json')
const key = join(root, 'examples/superchain/keys/submitter.json')
const memberKey = join(root, 'examples/superchain/keys/member-0.json')
const passwordFile = join(root, 'examples/superchain/keys/password.txt')
type Example = { modules: { chronicle: { members: { signer: string; noteKey: string }[] } } }
const NOWHERE = 'http://127.0.0.1:1'

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

const { component } = await readComponent(config, { kind: 'chronicle' })
const status: MemberStatus = {
  ...{ component, signer: `0x${'11'.repeat(20)}`, epoch: 0n, height: 0n, commitDigest: ZERO_BYTES32 },
  ...{ startedAtMs: 1, nowMs: 2, clock: null, isJoined: true, drops: {}, peers: [], pool: { envelopes: 0, bytes: 0 } },
  ...{ approvals: [], evidence: 0, queueRestarts: 0, redisSilentMs: 0 },
}

/** A log that has nothing decided and knows no submitter. */
const log = createServer((request, response) => {
  const answers: Record<string, string> = { '/checkpoint': 'no origin\n', '/status': encodeMemberStatus(status) }
  const body = request.url?.startsWith('/submitter/') ? '0' : answers[request.url ?? '']
  response.statusCode = body === undefined ? 404 : 200
  response.end(body ?? '')
})
/** The same of a component next door. */
const neighbour = createServer((request, response) => {
  const body = request.url?.startsWith('/submitter/') ? '3' : request.url === '/checkpoint' ? NEIGHBOURS : undefined
  response.statusCode = body === undefined ? 404 : 200
  response.end(body ?? '')
})
const NEIGHBOURS = `${encodeLogOrigin(`0x${'a7'.repeat(32)}`)}\n`
let neighbourUrl = ''
let logUrl = ''
let chain: Service
before(async () => {
  await new Promise<void>((resolve) => log.listen({ host: '127.0.0.1', port: 0 }, resolve))
  await new Promise<void>((resolve) => neighbour.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const urlOf = (server: typeof log) => `http://127.0.0.1:${(server.address() as { port: number }).port}`
  logUrl = urlOf(log)
  neighbourUrl = urlOf(neighbour)
  chain = await startChain()
})
after(async () => {
  for (const server of [log, neighbour]) {
    server.closeAllConnections()
    server.close()
  }
  await chain.stop()
})

const append = (entries: string, options: { config?: string; key?: string; log?: string; redis?: string } = {}) => [
  ...['chronicle', 'append', '--file', entries, '--config', options.config ?? config, '--key', options.key ?? key],
  ...[
    '--password-file',
    passwordFile,
    '--log',
    options.log ?? logUrl,
    '--redis',
    options.redis ?? 'redis://127.0.0.1:1',
  ],
]
const verify = (rest: string[], options: { log?: string; rpc?: string } = {}) => [
  ...['verify', '0', '--log', options.log ?? logUrl, '--rpc', options.rpc ?? chain.url, ...rest],
]
const rotate = (members: string, rest: readonly string[] = ['--key', memberKey], options: { log?: string } = {}) => [
  ...['committee', 'rotate', '--members', members, '--config', config, '--log', options.log ?? logUrl],
  ...['--redis', 'redis://127.0.0.1:1', '--password-file', passwordFile, ...rest],
]
const retire = (successor: string, rest: readonly string[]) => [
  ...['committee', 'retire', '--successor', successor, '--config', config, '--log', logUrl],
  ...['--redis', 'redis://127.0.0.1:1', '--key', memberKey, '--password-file', passwordFile, ...rest],
]
const keyed = () => ['--key', key, '--password-file', passwordFile, '--redis', 'redis://127.0.0.1:1']
const [first, second] = (JSON.parse(readFileSync(config, 'utf8')) as Example).modules.chronicle.members
const next = file('next.json', JSON.stringify([first, second]))
const entries = file('entries.jsonl', '{"a":1}\n')
const terse = file('terse.json', JSON.stringify({ schemaVersion: 1, name: 'no.chronicle' }))
const elsewhere = file('elsewhere.json', readFileSync(config, 'utf8').replace('31337', '1'))
const undeployed = file(
  'undeployed.json',
  readFileSync(config, 'utf8').replace(/"registry": "0x.{40}"/, `"registry": "0x${'11'.repeat(20)}"`),
)
const existing = file('existing.json', '{}')
mkdirSync(join(dir, 'folder'))

const refusals: { name: string; args: () => string[]; code: string; status?: 1 | 2 }[] = [
  {
    name: 'entries that are not JSON',
    args: () => append(file('bad.jsonl', '{"a":1}\n{oops}\n')),
    code: 'MALFORMED_ENTRIES',
  },
  { name: 'an entry that is no object', args: () => append(file('array.jsonl', '[1]\n')), code: 'MALFORMED_ENTRIES' },
  { name: 'a file without entries', args: () => append(file('empty.jsonl', '\n\n')), code: 'MALFORMED_ENTRIES' },
  {
    name: 'an entry over the size limit',
    args: () => append(file('large.jsonl', `{"a":"${'x'.repeat(65_312)}"}\n`)),
    code: 'STATEMENT_SIZE',
  },
  { name: 'entries that are not there', args: () => append(join(dir, 'none.jsonl')), code: 'UNREADABLE_INPUT' },
  {
    name: 'a config that is not there',
    args: () => append(entries, { config: join(dir, 'none.json') }),
    code: 'UNREADABLE_INPUT',
  },
  {
    name: 'a config that is no JSON',
    args: () => append(entries, { config: file('broken.json', '{"name":') }),
    code: 'MALFORMED_JSON',
  },
  { name: 'a config without a Chronicle', args: () => append(entries, { config: terse }), code: 'NO_COMPONENT' },
  { name: 'a keystore that is none', args: () => append(entries, { key: existing }), code: 'KEYSTORE' },
  { name: 'an unreachable log', args: () => append(entries, { log: NOWHERE }), code: 'LOG_UNREACHABLE' },
  { name: 'a log that is no URL', args: () => append(entries, { log: 'localhost' }), code: 'INVALID_LOG_URL' },
  { name: 'an unreachable Redis', args: () => append(entries), code: 'REDIS_UNREACHABLE' },
  { name: 'an unreachable RPC', args: () => verify(['--config', config], { rpc: NOWHERE }), code: 'RPC_UNREACHABLE' },
  {
    name: 'an RPC that is no URL',
    args: () => verify(['--config', config], { rpc: 'nowhere' }),
    code: 'INVALID_RPC_URL',
  },
  { name: 'a chain that is not the home', args: () => verify(['--config', elsewhere]), code: 'WRONG_CHAIN' },
  { name: 'a registry address without code', args: () => verify(['--config', undeployed]), code: 'NO_CONTRACT' },
  { name: 'a log that does not say whose it is', args: () => verify([]), code: 'NO_ORIGIN' },
  {
    name: 'a keystore that would be overwritten',
    args: () => ['key', 'new', '--out', existing, '--password-file', passwordFile],
    code: 'KEYSTORE',
  },
  { name: 'members that are no JSON', args: () => rotate(file('no.json', '[{')), code: 'MALFORMED_MEMBERS' },
  {
    name: 'members that are no list',
    args: () => rotate(file('object.json', JSON.stringify({ members: [first] }))),
    code: 'MALFORMED_MEMBERS',
  },
  {
    name: 'a member with an unknown key',
    args: () => rotate(file('unknown.json', JSON.stringify([{ ...first, weight: 2 }]))),
    code: 'MALFORMED_MEMBERS',
  },
  {
    name: 'a member’s key that is given twice',
    args: () => rotate(file('twice.json', `[{"signer":"${first!.signer}","signer":"${second!.signer}"}]`)),
    code: 'MALFORMED_MEMBERS',
  },
  {
    name: 'more members than a committee has',
    args: () => rotate(file('many.json', JSON.stringify(Array.from({ length: 257 }, () => ({ signer: '0x' }))))),
    code: 'MALFORMED_MEMBERS',
  },
  { name: 'a committee of nobody', args: () => rotate(file('nobody.json', '[]')), code: 'ADDRESS_COUNT' },
  {
    name: 'members out of order',
    args: () => rotate(file('order.json', JSON.stringify([second, first]))),
    code: 'ADDRESSES_OUT_OF_ORDER',
  },
  {
    name: 'a member that is no address',
    args: () => rotate(file('address.json', '[{"signer":"0x12"}]')),
    code: 'INVALID_HEX',
  },
  {
    name: 'two members with one note key',
    args: () => rotate(file('note.json', JSON.stringify([first, { ...second, noteKey: first!.noteKey }]))),
    code: 'INVALID_NOTE_KEY',
  },
  {
    name: 'too large a file of members',
    args: () => rotate(file('huge.json', ' '.repeat(1 << 18))),
    code: 'INPUT_TOO_LARGE',
  },
  { name: 'members that are not there', args: () => rotate(join(dir, 'nothing.json')), code: 'UNREADABLE_INPUT' },
  { name: 'an approval without a key', args: () => rotate(next, []), code: 'USAGE' },
  {
    name: 'a signer who neither signs nor prints',
    args: () => rotate(next, ['--signer', first!.signer]),
    code: 'USAGE',
  },
  {
    name: 'a signer beside a key',
    args: () => rotate(next, ['--signer', first!.signer, '--print', '--key', memberKey]),
    code: 'USAGE',
  },
  {
    name: 'a signature of no length',
    args: () => rotate(next, ['--signer', first!.signer, '--signature', '0x00']),
    code: 'USAGE',
  },
  {
    name: 'a signature that is another’s',
    args: () => rotate(next, ['--signer', first!.signer, '--signature', `0x${'11'.repeat(64)}`]),
    code: 'ENVELOPE_REFUSED',
    status: 1,
  },
  {
    name: 'a signature with a recovery id that there is none of',
    args: () => rotate(next, ['--signer', first!.signer, '--signature', `0x${'11'.repeat(65)}`]),
    code: 'INVALID_SIGNATURE',
    status: 1,
  },
  { name: 'an approval of no member', args: () => rotate(next, ['--key', key]), code: 'NOT_A_MEMBER', status: 1 },
  {
    name: 'an approval over an unreachable log',
    args: () => rotate(next, ['--key', memberKey], { log: NOWHERE }),
    code: 'LOG_UNREACHABLE',
  },
  ...(
    [
      ['append', () => append(entries, { log: neighbourUrl })],
      ['verify', () => verify(['--config', config], { log: neighbourUrl })],
      ['rotate', () => rotate(next, ['--key', memberKey], { log: neighbourUrl })],
      ['show', () => ['committee', 'show', config, '--log', neighbourUrl]],
      ['search', () => ['chronicle', 'search', '--config', config, '--log', neighbourUrl]],
      ['publish', () => ['chronicle', 'publish', config, ...keyed(), '--log', neighbourUrl]],
    ] as const
  ).map(([command, args]) => ({ name: `another component’s log (${command})`, args, code: 'OTHER_COMPONENT' })),
  { name: 'an approval over an unreachable Redis', args: () => rotate(next), code: 'REDIS_UNREACHABLE' },
  { name: 'a successor that is no key', args: () => retire('0x12', []), code: 'USAGE' },
  {
    name: 'a reason that is too long',
    args: () => retire('none', ['--reason', 'é'.repeat(129)]),
    code: 'INVALID_GOVERNANCE',
  },
  {
    name: 'a component that is to be its own successor',
    args: () => retire(component, []),
    code: 'INVALID_GOVERNANCE',
  },
  { name: 'a missing password', args: () => ['key', 'new', '--out', join(dir, 'new.json')], code: 'MISSING_PASSWORD' },
  {
    name: 'a keystore in a folder that is none',
    args: () => ['key', 'new', '--out', join(dir, 'none', 'new.json'), '--password-file', passwordFile],
    code: 'KEYSTORE',
  },
]

for (const { name, args, code, status = 2 } of refusals)
  test(`coalition: refuses ${name} with ${code} and exit status ${status}`, async () => {
    const result = await runCli([...args(), '--json'], { COALITION_PASSWORD: '' })
    const refused = JSON.parse(result.said.split('\n').at(-1)!) as {
      error: { code: string; fix: string; docs: string }
    }
    assert.equal(refused.error.code, code)
    assert.ok(refused.error.fix.length > 0)
    assert.equal(result.status, status)
    assert.equal(result.output, '')
    assert.doesNotMatch(result.said, /\n\s+at /)
  })

test('coalition: says a refusal to a person in three lines', async () => {
  const { said, status } = await runCli(verify(['--config', undeployed]))
  assert.equal(status, 2)
  assert.match(
    said,
    /^coalition: NO_CONTRACT: There is no contract at 0x1{40} on chain 31337\.\n {2}.+\n {2}See docs\/errors\.md#no_contract\.$/,
  )
})

test('coalition: words that are no command or option exit 2 and print nothing on standard output', async () => {
  for (const args of [
    ['nonsense'],
    ['verify'],
    ['verify', '-1'],
    ['verify', '1e3', '--log', 'x', '--rpc', 'y'],
    ['key', 'new', '--frob'],
  ]) {
    const { status, output } = await runCli(args)
    assert.equal(status, 2, args.join(' '))
    assert.equal(output, '')
  }
})

test('coalition: every command has help, which exits 0', async () => {
  const commands = [
    [],
    ['id'],
    ['config'],
    ['config', 'encode'],
    ['config', 'decode'],
    ['key'],
    ['key', 'new'],
    ['key', 'show'],
    ['chronicle'],
    ['chronicle', 'append'],
    ['committee'],
    ['committee', 'show'],
    ['committee', 'rotate'],
    ['committee', 'retire'],
    ['verify'],
    ['status'],
  ]
  const results = await Promise.all(commands.map((command) => runCli([...command, '--help'])))
  for (const { status, output } of results) {
    assert.equal(status, 0)
    assert.match(output, /^Usage: coalition/)
  }
})
