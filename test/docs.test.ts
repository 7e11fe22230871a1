import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
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
