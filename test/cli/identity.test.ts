import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Run, runCoalition } from './run.ts'

const path = new URL('../vectors/identity/vectors.json', import.meta.url)
const vectors: {
  name: string
  input: { organisms: { name: string }[] }
  expected: { coalitionId: string; organisms: { role: string }[] }
}[] = JSON.parse(readFileSync(path, 'utf8'))
const { input, expected: derivation } = vectors.at(-1)!
const expected = {
  ...derivation,
  organisms: derivation.organisms.map(({ role, ...ids }, index) => ({
    role,
    name: input.organisms[index]!.name,
    ...ids,
  })),
}
const folder = mkdtempSync(join(tmpdir(), 'coalition-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'coalition.json')
writeFileSync(file, JSON.stringify(input))

test('coalition id FILE --json: prints exactly the output of spec §3.2, and the organisms’ names', async () => {
  const { status, stdout, stderr } = await runCoalition(['id', file, '--json'])
  assert.equal(stdout, `${JSON.stringify(expected, null, 2)}\n`)
  assert.deepEqual([status, stderr], [0, ''])
})

test('coalition id -: reads standard input, and prints each id for people', async () => {
  const { status, stdout } = await runCoalition(['id', '-'], { stdin: JSON.stringify(input) })
  const ids = JSON.stringify(expected).match(/0x[0-9a-f]{64}/g)!
  for (const id of ids) assert.ok(stdout.includes(id), id)
  assert.match(stdout, /^organism price-feed\.eur \(oracle\)$/m)
  assert.equal(status, 0)
})

test('coalition id: an organism that the file knows by its stable id alone has no name', async () => {
  const stableId = `0x${'a1'.repeat(32)}`
  const stdin = JSON.stringify({ ...input, organisms: [{ role: 'oracle', stableId }] })
  const { organisms } = JSON.parse((await runCoalition(['id', '-', '--json'], { stdin })).stdout)
  assert.deepEqual(Object.keys(organisms[0]), ['role', 'stableId', 'fingerprint'])
  assert.match((await runCoalition(['id', '-'], { stdin })).stdout, /^organism \(oracle\)$/m)
})

test('coalition config encode and decode: end at the same ids', async () => {
  const encoded = await runCoalition(['config', 'encode', file, '--json'])
  const { coalitionId, canonical } = JSON.parse(encoded.stdout)
  assert.equal(coalitionId, expected.coalitionId)
  const [plain, decoded, piped] = await Promise.all([
    runCoalition(['config', 'encode', file]),
    runCoalition(['config', 'decode', canonical]),
    runCoalition(['config', 'decode', '-'], { stdin: `${canonical}\n` }),
  ])
  assert.equal(plain.stdout, `${canonical}\n`)
  assert.deepEqual(piped, decoded)
  const derived = await runCoalition(['id', '-', '--json'], { stdin: decoded.stdout })
  assert.deepEqual(JSON.parse(derived.stdout), expected)
})

test('coalition config schema: prints the schema that is in the repository', async () => {
  const schema = new URL('../../protocol/identity/coalition.schema.json', import.meta.url)
  const { status, stdout } = await runCoalition(['config', 'schema'])
  assert.deepEqual(JSON.parse(stdout), JSON.parse(readFileSync(schema, 'utf8')))
  assert.equal(status, 0)
})

const binary = join(folder, 'binary.json')
writeFileSync(binary, Buffer.from([0x7b, 0xff, 0x7d]))
const large = join(folder, 'large.json')
writeFileSync(large, Buffer.alloc(4 * 1024 * 1024 + 1, ' '))

/** What people give by mistake. */
const REFUSALS: [string, string, string[], string][] = [
  ['a file that is not there', 'UNREADABLE_INPUT', ['id', join(folder, 'none.json')], ''],
  ['a folder', 'UNREADABLE_INPUT', ['config', 'encode', folder], ''],
  ['bytes that are not UTF-8', 'UNREADABLE_INPUT', ['id', binary], ''],
  ['more than 4 MiB', 'INPUT_TOO_LARGE', ['id', large], ''],
  ['what is not JSON', 'MALFORMED_JSON', ['id', '-'], '{'],
  ['a file of another shape, found from the folder it is called in', 'WRONG_TYPE', ['id', 'identity/vectors.json'], ''],
  ['an unknown key', 'UNKNOWN_KEY', ['config', 'encode', '-'], JSON.stringify({ ...input, extra: 1 })],
  ['a string that is not hex', 'INVALID_HEX', ['config', 'decode', 'coalition.json'], ''],
]

for (const [name, code, words, stdin] of REFUSALS)
  test(`coalition: refuses ${name}, with exit status 2, no data and no stack`, async () => {
    const run = await runCoalition(words, { stdin })
    const said = `^coalition: ${code}: .+\\n  .+\\n  See docs/errors\\.md#${code.toLowerCase()}\\.\\n$`
    assert.match(run.stderr, new RegExp(said))
    assert.deepEqual([run.status, run.stdout], [2, ''])
  })

test('coalition id --json: prints its refusal as JSON on standard error', async () => {
  const { status, stdout, stderr } = await runCoalition(['id', '-', '--json'], { stdin: '[]' })
  assert.equal(JSON.parse(stderr).error.code, 'WRONG_TYPE')
  assert.deepEqual([status, stdout], [2, ''])
})

test('coalition: an unknown word and a missing argument exit 2, at any depth', async () => {
  const calls = [['foo'], ['id'], ['config', 'foo'], ['config', 'decode']]
  const runs = await Promise.all(calls.map((words) => runCoalition(words)))
  assert.deepEqual(
    runs.map(({ status, stdout }: Run) => [status, stdout]),
    Array(4).fill([2, '']),
  )
})

test('coalition: the help of each command shows an example', async () => {
  const commands = [['id'], ['config', 'encode'], ['config', 'decode'], ['config', 'schema']]
  const runs = await Promise.all(commands.map((words) => runCoalition([...words, '--help'])))
  runs.forEach(({ status, stdout }, index) => {
    assert.match(stdout, new RegExp(`Example:\\n  coalition ${commands[index]!.join(' ')}`))
    assert.equal(status, 0)
  })
})

test('coalition: a reader that leaves before the end is no fault', async () => {
  const { stderr, status } = await runCoalition(['config', 'schema'], { isHeard: false })
  assert.deepEqual([status, stderr], [0, ''])
})
