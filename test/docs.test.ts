import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { resolveComponent } from '../client/readComponent.ts'
import { parseCoalition } from '../protocol/identity/coalition.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
mkdirSync(join(root, 'cache'), { recursive: true })
// Inside the repository, so that the blocks import the package by its name as an integrator does.
const folder = mkdtempSync(join(root, 'cache', 'docs-'))
after(() => rmSync(folder, { recursive: true }))

type Block = { page: string; line: number; code: string }

/** The ```ts blocks of a page, each with the line that its code begins at. */
function readBlocks(page: string): Block[] {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(({ index, 1: code = '' }) => ({
    page,
    line: text.slice(0, index).split('\n').length + 1,
    code,
  }))
}

const blocks = globSync(['README.md', 'docs/**/*.md'], { cwd: root })
  .flatMap(readBlocks)
  .filter(({ code }) => /from 'coalition\//.test(code))

test('docs: every TypeScript block that imports the package compiles', () => {
  assert.ok(blocks.length > 0)
  blocks.forEach(({ code }, index) => {
    writeFileSync(join(folder, `block-${index}.ts`), code)
  })
  // An example ends where its last value is known; it need not use it.
  const compilerOptions = { noUnusedLocals: false }
  const config = { extends: '../../tsconfig.json', include: ['.'], exclude: [], compilerOptions }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--project', folder], { encoding: 'utf8' })
  const said = stdout.replaceAll(/\S*block-(\d+)\.ts\((\d+),/g, (_, index, line) => {
    const { page, line: firstLine } = blocks[index]!
    return `${page}(${firstLine - 1 + Number(line)},`
  })
  assert.equal(said, '')
  assert.equal(status, 0)
})

test('docs: the config file of docs/integrators/config.md derives', () => {
  const page = readFileSync(join(root, 'docs/integrators/config.md'), 'utf8')
  const file = page.match(/^```json\n(.*?)^```$/ms)?.[1] ?? ''
  assert.equal(parseCoalition(file).chronicle()?.name, 'chronicle')
})

test('docs: what tickets.md and atlas.md add to the example’s config makes one that ships both, with the same Chronicle', () => {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  const addedBy = (page: string) =>
    JSON.parse(`{${read(`docs/integrators/${page}.md`).match(/^## Getting .*?^```json\n(.*?)^```$/ms)?.[1]}}`)
  const file = JSON.parse(read('examples/superchain/coalition.json'))
  const example = parseCoalition(JSON.stringify(file))
  const { members } = file.modules.chronicle
  const [{ ticketIssuer }, { atlas }] = [addedBy('tickets'), addedBy('atlas')]
  const citizens = [{ citizen: example.lattices[0]!.stableId(), cardSigner: members[0].signer }]
  file.ticketIssuer = { ...ticketIssuer, members }
  file.modules.atlas = { members, parameters: { ...atlas.parameters, citizens } }
  const coalition = parseCoalition(JSON.stringify(file))
  for (const kind of ['tickets', 'atlas'] as const) {
    assert.throws(() => resolveComponent(example, { kind }), { code: 'NO_COMPONENT' })
    assert.equal(resolveComponent(coalition, { kind }).signers.length, 4)
  }
  assert.equal(coalition.chronicle()!.componentKey(), example.chronicle()!.componentKey())
})

test('docs: each row of bad input in docs/testing.md names tests that are there, and codes that they expect', () => {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  const [, section = ''] = read('docs/testing.md').match(/^## Bad input$(.*?)^## /ms) ?? []
  const rows = [...section.matchAll(/^\| (.+) \| (.+) \| (.+) \|$/gm)].slice(1)
  assert.ok(rows.length > 20)
  const errors = read('docs/errors.md')
  const contracts = globSync('contracts/interfaces/*.sol', { cwd: root }).map(read).join('\n')
  const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!)
  for (const [, what, outcome, files] of rows) {
    const paths = namesIn(files!)
    assert.ok(paths.length > 0 && paths.every((path) => path.startsWith('test/')), what)
    const tests = paths.map(read)
    for (const code of namesIn(outcome!)) {
      const isContracts = /^[A-Z][a-z]\w+$/.test(code)
      if (!isContracts && !/^[A-Z][A-Z0-9_]+$/.test(code)) continue
      if (isContracts) assert.match(contracts, new RegExp(`^ *error ${code}\\(`, 'm'), what)
      else assert.match(errors, new RegExp(`^## ${code}$`, 'm'), what)
      // A test compares with the code or with the class that bears its name.
      const className = `${code.toLowerCase().replaceAll(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase())}Error`
      assert.ok(
        tests.some((text) => text.includes(`'${code}'`) || text.includes(className)),
        `${what}: ${code} is in none of ${paths.join(', ')}`,
      )
    }
  }
})
