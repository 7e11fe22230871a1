import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readCardFile } from '../../cli/cards.ts'
import { findByPrefix } from '../../cli/citizens.ts'
import type { AtlasCitizen } from '../../client/atlasCatalogue.ts'
import { signCard } from '../../client/atlasPublisher.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { encodeSignedCard } from '../../protocol/wire/cardFile.ts'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE, runCli } from '../../scripts/demo/committee.ts'
import { cardOf, citizens, lattice, latticeKey } from '../client/atlasWorld.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const dir = createTestDir()
function file(name: string, content: object | string): string {
  const path = join(dir, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const example = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8'))
const { $schema: _schema, ...rest } = example
const { members, parameters } = rest.modules.chronicle
const config = file('coalition.json', {
  ...rest,
  modules: { ...rest.modules, atlas: { members, parameters: { ...parameters, citizens } } },
})
const atlas: Hex = `0x${'c0'.repeat(32)}`
const signed = file(
  'signed.json',
  encodeSignedCard(signCard({ ...cardOf(lattice), atlas, sequence: 1n }, latticeKey.secretKey)),
)
const draft = file('draft.json', cardOf(lattice))

async function codeOf(words: readonly string[]): Promise<string> {
  const { status, output, said } = await runCli(['atlas', ...words, '--json'])
  assert.deepEqual([status > 0, output], [true, ''], said)
  return (JSON.parse(said.split('\n').at(-1)!) as { error: { code: string } }).error.code
}

test('coalition atlas: refuses a card that is signed already, and one whose sequence nobody knows', async () => {
  const key = ['--config', config, '--key', keystorePath('submitter'), '--password-file', PASSWORD_FILE]
  const refused: [string, string[]][] = [
    ['SIGNED_ALREADY', ['publish', '--file', signed, '--sequence', '2', '--log', 'http://127.0.0.1:1', ...key]],
    ['LOG_UNREACHABLE', ['publish', '--file', draft, '--log', 'http://127.0.0.1:1', ...key]],
    ['NO_COMPONENT', ['list', '--config', EXAMPLE_CONFIG, '--log', 'http://127.0.0.1:1']],
    ['ATLAS_MODEL_UNREACHABLE', ['show', lattice, '--config', config, '--worker', 'http://127.0.0.1:1']],
    ['USAGE', ['withdraw', '--citizen', lattice.slice(0, 42), '--log', 'http://127.0.0.1:1', ...key]],
  ]
  const codes = await Promise.all(refused.map(([, words]) => codeOf(words)))
  assert.deepEqual(
    codes,
    refused.map(([code]) => code),
  )
  const unsigned = ['--config', config, '--key', keystorePath('submitter'), '--password-file', PASSWORD_FILE]
  const [again, missing] = await Promise.all(
    [signed, draft].map((path) => runCli(['atlas', 'sign', '--file', path, ...unsigned])),
  )
  assert.match(again!.said, /SIGNED_ALREADY/)
  assert.match(missing!.said, /MISSING_SEQUENCE/)
})

test('readCardFile: takes a card and a signed card, and says of neither what it cannot read', async () => {
  assert.equal((await readCardFile(signed)).kind, 'signed')
  const card = await readCardFile(draft)
  assert.deepEqual(card, { kind: 'draft', draft: cardOf(lattice) })
  const wrongs = ['', '[]', { ...cardOf(lattice), more: 1 }, { ...cardOf(lattice), sequence: 1 }, { signature: '0x' }]
  for (const wrong of wrongs) {
    await assert.rejects(readCardFile(file('wrong.json', wrong)), { code: 'CARD_MALFORMED' })
  }
  await assert.rejects(readCardFile(file('large.json', ' '.repeat(40_000))), { code: 'INPUT_TOO_LARGE' })
})

test('findByPrefix: names by 20 bytes whoever has them alone', () => {
  const twin: Hex = `${lattice.slice(0, 42) as Hex}${'00'.repeat(12)}`
  const all = [lattice, twin, `0x${'b2'.repeat(32)}`].map((citizen) => ({ citizen }) as AtlasCitizen)
  assert.equal(findByPrefix(all, twin).citizen, twin)
  assert.equal(findByPrefix(all, `0x${'b2'.repeat(20)}`).citizen, `0x${'b2'.repeat(32)}`)
  assert.throws(() => findByPrefix(all, lattice.slice(0, 42) as Hex), { code: 'AMBIGUOUS_CITIZEN' })
  assert.throws(() => findByPrefix(all, `0x${'ee'.repeat(20)}`), { code: 'NOT_IN_ATLAS' })
})
