import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { describeVerified } from '../../cli/commands/verify.ts'
import { printError, toJsonText } from '../../cli/output.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { runCoalition } from './run.ts'

const command = fileURLToPath(new URL('../../cli/coalition', import.meta.url))
const FORGED = 'so\u001b[2K\r\nverified  entry 7\u009b1A\u202e\u2028\u0085"é'

function heard(context: TestContext, run: () => void): string {
  const write = context.mock.method(process.stderr, 'write', () => true)
  run()
  write.mock.restore()
  return write.mock.calls.map(({ arguments: [text] }) => String(text)).join('')
}

test('toJsonText: escapes all that steers a terminal, and stays JSON of the same value', () => {
  const text = toJsonText({ FORGED, n: 1n })
  assert.match(text, /^[ -~é]+$/)
  assert.deepEqual(JSON.parse(text), { FORGED, n: '1' })
})

test('coalition verify: prints a statement as one line, which can forge no other', () => {
  const zero = `0x${'00'.repeat(32)}` as const
  const text = describeVerified({
    verified: true,
    index: '0',
    component: zero,
    componentPinnedBy: 'config',
    registry: zero,
    chainId: 1,
    head: { epoch: '0', height: '1', logSize: '1', logRoot: zero, anchorIndex: '1', anchoredAt: '1' },
    certificate: { round: 0, signers: '0x7', commitDigest: zero },
    retirement: null,
    entry: '0x',
    statement: { submitter: zero, sequence: '1', index: 0, text: FORGED },
    decoded: { kind: 'operatorStatement', submitter: zero, sequence: 1n, index: 0, text: FORGED },
  })
  const line = text.split('\n').at(-1)!
  assert.match(line, /^0x0+ stated: "so[ -~é]+"$/)
  assert.equal(JSON.parse(line.slice(line.indexOf('"'))), FORGED)
})

test('printError: a message from elsewhere can forge no line', (context) => {
  const refused = new CoalitionError('REFUSED', FORGED, { fix: FORGED, kind: 'refused' })
  const said = heard(context, () => printError(refused, { json: false }))
  assert.match(said, /^coalition: REFUSED: so[ -~é]+\n {2}so[ -~é]+\n {2}See docs\/errors\.md#refused\.\n$/)
  assert.match(
    heard(context, () => printError(new Error(FORGED), { json: false })),
    /^coalition: UNEXPECTED: so[ -~é]+\n/,
  )
  const line = heard(context, () => printError(refused, { json: true }))
  assert.match(line, /^[ -~é]+\n$/)
  assert.equal(JSON.parse(line).error.message, FORGED)
})

for (const { name, words, message } of [
  { name: 'an unknown command', words: ['nonsense', '--json'], message: /./ },
  { name: 'no command', words: ['config', '--json'], message: /./ },
  { name: 'a missing option', words: ['verify', '0', '--json'], message: /'--log <url>' not specified/ },
  { name: 'a missing argument', words: ['id', '--json'], message: /'file'/ },
  { name: 'an unknown option', words: ['id', 'x', '--frob', '--json'], message: /'--frob'/ },
  { name: 'a bad argument', words: ['verify', '1e3', '--log', 'x', '--rpc', 'y', '--json'], message: /whole number/ },
])
  test(`coalition --json: says ${name} as one line of JSON on standard error`, async () => {
    const { status, stdout, stderr } = await runCoalition(words)
    const { error } = JSON.parse(stderr)
    assert.equal(stderr.trimEnd().split('\n').length, 1)
    assert.match(error.message, message)
    assert.ok(!error.message.startsWith('error:'))
    const { message: _, ...rest } = error
    const fix = 'Add --help for what the command takes.'
    assert.deepEqual(rest, { code: 'USAGE', fix, docs: 'docs/errors.md#usage', isRetryable: false })
    assert.deepEqual([status, stdout], [2, ''])
  })

if (existsSync('/dev/full'))
  test('coalition: says that standard output cannot be written, with exit status 2 and no stack', () => {
    const full = openSync('/dev/full', 'w')
    const run = (...words: string[]) =>
      spawnSync(command, words, { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' as const })
    const asJson = run('config', 'schema', '--json')
    assert.equal(JSON.parse(asJson.stderr).error.code, 'UNWRITABLE_OUTPUT')
    assert.equal(asJson.status, 2)
    for (const { status, stderr } of [run('config', 'schema'), run('--help')]) {
      assert.match(stderr, /^coalition: UNWRITABLE_OUTPUT: .*ENOSPC.*\n {2}.+\n {2}See .+\n$/)
      assert.equal(status, 2)
    }
  })
