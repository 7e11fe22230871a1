import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
const files = listed.split('\n').filter((file) => file !== '' && existsSync(join(root, file)))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const sources = files.filter((file) => file.endsWith('.ts') && !file.startsWith('test/'))

/** Which rooms each room may import, besides itself. Facts flow one way; nothing imports what is not listed. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  protocol: [],
  modules: ['protocol'],
  confluences: ['protocol'],
  committee: ['protocol'],
  chain: ['protocol'],
  // Who proves an item of a state builds the state again, as a member does: from its machine and its snapshot.
  client: ['protocol', 'chain', 'modules', 'committee/execution.ts', 'committee/snapshot.ts', 'workers/queues.ts'],
  workers: ['protocol', 'modules', 'confluences', 'committee', 'chain', 'client'],
  cli: ['protocol', 'chain', 'client', 'workers/queues.ts', 'package.json'],
}

/** Paths that `file` imports from this repository. */
function importsOf(file: string): string[] {
  return [...read(file).matchAll(/\bfrom '(\.{1,2}\/[^']+)'|\bimport\('(\.{1,2}\/[^']+)'\)/g)].map((match) =>
    normalize(join(dirname(file), match[1] ?? match[2]!)),
  )
}

const roomOf = (file: string): string => file.split('/')[0]!

for (const [room, allowed] of Object.entries(MAY_IMPORT))
  test(`house: ${room}/ imports only ${['itself', ...allowed].join(', ')}`, () => {
    for (const file of sources.filter((each) => roomOf(each) === room)) {
      for (const imported of importsOf(file)) {
        const isAllowed =
          roomOf(imported) === room || allowed.some((each) => imported === each || roomOf(imported) === each)
        assert.ok(isAllowed, `${file} imports ${imported}`)
      }
    }
  })

test('house: protocol/ is pure: no Node.js module but under a name that says so, no clock, no randomness', () => {
  for (const file of sources.filter((each) => /^(protocol|committee|modules|confluences)\//.test(each))) {
    const text = read(file)
    if (!file.endsWith('.node.ts')) assert.doesNotMatch(text, /from 'node:/, file)
    assert.doesNotMatch(text, /\bDate\.now\(|new Date\(\)|Math\.random\(|\bperformance\.now\(|getRandomValues/, file)
  }
})

test('house: process.env is read in the configuration alone', () => {
  const allowed = [
    'workers/runtime/config.ts',
    'cli/environment.ts',
    'hardhat.config.ts',
    'test/fuzz/hardhat.config.ts',
  ]
  for (const file of sources.filter((each) => !/^(scripts|bench)\//.test(each) && !allowed.includes(each))) {
    assert.doesNotMatch(read(file), /process\.env/, file)
  }
})

test('house: every error code has a heading in docs/errors.md, and every heading a code', () => {
  const codes = new Set<string>()
  for (const file of sources) {
    // Codes stand where an error is thrown, or where a class gives itself its only one; those of validity in a table.
    const pattern = /(?:super|Error|refuse)\(\s*'([A-Z][A-Z0-9_]+)'|(?:early|late): '([A-Z][A-Z0-9_]+)'/g
    for (const [, thrown, listed] of read(file).matchAll(pattern)) codes.add((thrown ?? listed)!)
  }
  const headings = new Set([...read('docs/errors.md').matchAll(/^## ([A-Z][A-Z0-9_]+)$/gm)].map((match) => match[1]!))
  assert.deepEqual([...codes].filter((code) => !headings.has(code)).sort(), [])
  assert.deepEqual([...headings].filter((heading) => !codes.has(heading) && heading !== 'UNEXPECTED').sort(), [])
})

test('house: every error of the contracts is one that a test of theirs expects by name, and one that they refuse with', () => {
  const solidity = files.filter((each) => /^contracts\/.*\.sol$/.test(each)).map(read)
  const tests = files.filter((each) => /^test\/contracts\/[^/]+\.test\.ts$/.test(each)).map(read)
  const declared = solidity.flatMap((text) => [...text.matchAll(/^\s*error (\w+)\(/gm)].map((match) => match[1]!))
  assert.ok(declared.length > 30, `${declared.length}`)
  const lacksIn = (texts: readonly string[], use: (name: string) => RegExp) =>
    declared.filter((name) => !texts.some((text) => use(name).test(text)))
  // A quoted name is what a test compares with; the titles of tests name errors too, with something behind.
  assert.deepEqual(
    lacksIn(tests, (name) => new RegExp(`'${name}'`)),
    [],
    'not expected by any test',
  )
  assert.deepEqual(
    lacksIn(solidity, (name) => new RegExp(`\\brevert (\\w+\\.)?${name}\\(`)),
    [],
    'never refused with',
  )
})

test('house: each unchecked block and each assembly block of the contracts follows a comment that argues for it', () => {
  let count = 0
  for (const file of files.filter((each) => /^contracts\/.*\.sol$/.test(each))) {
    const lines = read(file).split('\n')
    lines.forEach((line, at) => {
      if (!/^\s*(unchecked|assembly)\b/.test(line)) return
      count += 1
      assert.match(lines[at - 1]!, /^\s*\/\/ \S/, `${file}:${at + 1}`)
    })
  }
  assert.ok(count > 20, `${count}`)
})

test('house: dependencies are at exact versions and the lockfile names no host', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name)
  }
  assert.doesNotMatch(read('package-lock.json'), /"resolved":/)
})

test('house: every package that a file imports is declared, and none is here only because another one needs it', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
  const declared = new Set(kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {})))
  // A path within the repository begins with a dot, an alias with `#`, and a module of Node.js with its scheme.
  const pattern = /(?:\bfrom |^import |\b(?:import|resolve)\()'((?:@[\w.-]+\/)?[a-z][\w.-]*)(?:\/[^']*)?'/gm
  const imports = files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...read(file).matchAll(pattern)].map((match) => ({ file, name: match[1]! })))
  assert.ok(imports.length > 200, `${imports.length}`)
  assert.deepEqual(
    imports.filter(({ name }) => !declared.has(name)),
    [],
  )
})

test('house: no file is switched off or left for later', () => {
  const unfinished = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].map((word) => `\\b${word}\\b`).join('|'),
  )
  for (const file of files.filter((each) => /\.(ts|sol)$/.test(each))) {
    assert.doesNotMatch(read(file), unfinished, file)
    assert.doesNotMatch(read(file), /\b(test|it|describe)\.(only|skip|todo)\(/, file)
  }
})

test('house: links between documents lead somewhere', () => {
  for (const file of files.filter((each) => each.endsWith('.md'))) {
    for (const [, target] of read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, dirname(file), target!)), `${file} links to ${target}`)
    }
  }
})
