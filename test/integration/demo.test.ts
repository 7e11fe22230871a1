import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { readComponent } from '../../client/readComponent.ts'
import { assertNoneKept, EXAMPLE_CONFIG } from '../../scripts/demo/committee.ts'
import { identifyProcess } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const root = join(import.meta.dirname, '../..')
const dir = createTestDir()

/** The demo as a person runs it, on the suite's Redis, apart from one that is kept in this checkout. */
async function runDemo(args: readonly string[]): Promise<{ status: number; said: string }> {
  const child = spawn(process.execPath, ['scripts/demo.ts', ...args], {
    cwd: root,
    env: { ...process.env, DEMO_DIR: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
  }
  return { status: await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1))), said }
}

test('the example names the registry at the address that its bytecode has on every chain', async () => {
  assert.equal((await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })).home.registry, COMPONENT_REGISTRY_ADDRESS)
})

test('the demo refuses bad arguments with its usage, and starts nothing', async () => {
  for (const args of [['--without', '9'], ['--nonsense'], ['--stop', '--keep']]) {
    const { status, said } = await runDemo(args)
    assert.equal(status, 2, said)
    assert.match(said, /^demo: .+\nUsage: npm run demo/)
    assert.doesNotMatch(said, /^\s+at |starting/m)
  }
})

test('the demo leaves one that is kept as it is, says how to see it and to stop it, and exits 2', async () => {
  const kept = join(dir, 'kept.json')
  const record = JSON.stringify([{ ...identifyProcess(process.pid), isService: true }])
  writeFileSync(kept, record)
  const { status, said } = await runDemo(['--keep'])
  assert.equal(status, 2, said)
  assert.match(
    said,
    /^demo: DEMO_KEPT: .+\n {2}Look at it as .*kept\.txt says, or stop it first: npm run demo -- --stop\n$/,
  )
  assert.deepEqual(readdirSync(dir), ['kept.json'])
  assert.equal(readFileSync(kept, 'utf8'), record)
  rmSync(kept)
})

test('the demo leaves one that runs as it is, names its process, and exits 2', async () => {
  const path = join(dir, 'lock.json')
  const lock = JSON.stringify(identifyProcess(process.pid))
  writeFileSync(path, lock)
  const { status, said } = await runDemo([])
  assert.equal(status, 2, said)
  assert.equal(
    said,
    `demo: DEMO_RUNNING: Another demo runs here as process ${process.pid}; it was left as it is.\n` +
      '  Wait for its end, or interrupt it.\n',
  )
  assert.equal(readFileSync(path, 'utf8'), lock)
  rmSync(path)
})

test('assertNoneKept: takes a record of processes that have ended, and none', () => {
  const kept = join(dir, 'ended.json')
  writeFileSync(kept, JSON.stringify([{ pid: process.pid, startedAt: 'another time', isService: false }]))
  assertNoneKept(kept, { guide: '' })
  assertNoneKept(join(dir, 'none.json'), { guide: '' })
  rmSync(kept)
})

test('the demo says that there is nothing to stop where nothing runs', async () => {
  const { status, said } = await runDemo(['--stop'])
  assert.equal(status, 0, said)
  assert.match(said, /nothing is left running, so there is nothing to stop\n$/)
})

test('the demo appends, anchors and verifies with one of four members left out, and sees every forgery refused', async () => {
  const { status, said } = await runDemo(['--without', '1', '--timeout', '60'])
  assert.equal(status, 0, said)
  const report = JSON.parse(readFileSync(join(dir, 'report.json'), 'utf8'))
  assert.equal(report.appended.entries, 10)
  assert.equal(report.verified.verified, true)
  assert.equal(report.verified.componentPinnedBy, 'config')
  assert.deepEqual([report.status.responsive, report.status.margin, report.status.alarms], [3, 0, []])
  assert.equal(report.status.members[1].standing, 'silent')
  assert.equal(report.status.anchor.logSize, '10')
  assert.equal(report.escrow.paidWei, '1000000000000000')
  assert.deepEqual(Object.keys(report.refused), [
    'a forged entry',
    'a forged certificate',
    'a forged certificate, by the registry',
    'a log rewritten by all four members, by the registry',
  ])
  assert.match(report.refused['a forged certificate, by the registry'], /CertificatesOtherCommittee/)
  assert.match(report.refused['a log rewritten by all four members, by the registry'], /Rfc9162RootMismatch/)
})

test('the demo says that there is no quorum, and fails, with two of four members left out', async () => {
  const { status, said } = await runDemo(['--without', '0', '--without', '3', '--timeout', '5'])
  assert.equal(status, 1)
  assert.match(said, /NO_QUORUM/)
})
