import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startPccs } from '../client/collateral/localPccs.ts'
import { readVector, VECTOR_NAMES, type VectorName } from '../protocol/attestation/vectors.ts'

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const fileOf = (name: VectorName, file: string): string =>
  fileURLToPath(new URL(`../vectors/tdx/${name}/${file}`, import.meta.url))

type Run = { exitCode: number; stdout: string; stderr: string }

const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Run> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, 'quote', ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ exitCode: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr })
      },
    )
  })

const verifyArgs = (name: VectorName, at: string, ...more: readonly string[]): string[] => [
  ...['verify', fileOf(name, 'quote.bin'), '--collateral', fileOf(name, 'collateral.json'), '--at', at, '--json'],
  ...more,
]

for (const name of VECTOR_NAMES) {
  test(`coalition quote verify: judges ${name} as expected`, async () => {
    const { expected } = readVector(name)
    const { exitCode, stdout } = await run(verifyArgs(name, expected.verifyAt))
    const outcome = JSON.parse(stdout)
    assert.equal(exitCode, expected.accept === true ? 0 : 1)
    assert.equal(outcome.accepted, expected.accept === true)
    assert.equal(outcome.error === null, expected.accept === true)
    if (expected.tcbStatus) {
      assert.equal(outcome.tcbStatus, expected.tcbStatus)
      assert.deepEqual(outcome.advisoryIds, expected.advisoryIds)
      assert.equal(outcome.tdxModuleStatus, expected.tdxModuleStatus)
      assert.deepEqual(outcome.measurements, expected.report)
      assert.equal(outcome.expiresAt, expected.collateralValid.until)
    }
  })
}

test('coalition quote verify: a policy file decides, and its refusal still tells the status', async (context) => {
  const policy = await writePolicy(context, { acceptedStatuses: ['UpToDate', 'OutOfDate'] })
  const accepted = await run(verifyArgs('v4-00806f-outofdate', '1761350400', '--policy', policy))
  assert.equal(accepted.exitCode, 0)
  const strict = await writePolicy(context, { acceptedStatuses: ['OutOfDate'], refusedAdvisories: ['INTEL-SA-00982'] })
  const refused = await run(verifyArgs('v4-00806f-outofdate', '1761350400', '--policy', strict))
  const outcome = JSON.parse(refused.stdout)
  assert.equal(refused.exitCode, 1)
  assert.equal(outcome.error.code, 'TCB_ADVISORY_REFUSED')
  assert.equal(outcome.tcbStatus, 'OutOfDate')
  assert.deepEqual(outcome.advisoryIds, ['INTEL-SA-00960', 'INTEL-SA-00982', 'INTEL-SA-00986'])
})

test('coalition quote verify: takes measurements without 0x and in capitals', async (context) => {
  const { expected } = readVector('v4-b0c06f-uptodate')
  const { mrTd, rtMr, reportData } = expected.report as { mrTd: string; rtMr: string[]; reportData: string }
  const policy = await writePolicy(context, { measurements: [{ mrTd: mrTd.toUpperCase(), rtMr }], reportData })
  assert.equal((await run(verifyArgs('v4-b0c06f-uptodate', expected.verifyAt, '--policy', policy))).exitCode, 0)
})

test('coalition quote verify: says for people how far behind a platform is', async () => {
  const { stdout, stderr, exitCode } = await run(
    verifyArgs('v4-00806f-outofdate', '1761350400').filter((arg) => arg !== '--json'),
  )
  assert.equal(exitCode, 1)
  assert.match(stderr, /TCB_STATUS_REFUSED: The platform is OutOfDate; accepted: UpToDate/)
  assert.match(stdout, /SGX component 1 \(BIOS, Early Microcode Update\) is 6, needs 7/)
})

for (const [what, args, code] of [
  [
    'a quote that is not there',
    ['verify', 'no-such-quote', '--collateral', fileOf('v4-b0c06f-uptodate', 'collateral.json'), '--at', '0'],
    'UNREADABLE_INPUT',
  ],
  [
    'collateral that is not JSON',
    ['verify', fileOf('v4-b0c06f-uptodate', 'quote.bin'), '--collateral', MAIN, '--at', '0'],
    'COLLATERAL_FILE_INVALID',
  ],
  ['no collateral', ['verify', fileOf('v4-b0c06f-uptodate', 'quote.bin'), '--at', '0'], 'COLLATERAL_MISSING'],
  [
    'a policy with an unknown key',
    verifyArgs('v4-b0c06f-uptodate', '0', '--policy', fileOf('v4-b0c06f-uptodate', 'collateral.json')),
    'POLICY_INVALID',
  ],
] as const) {
  test(`coalition quote verify: exits 2 on ${what}`, async () => {
    const { exitCode, stdout } = await run(args.includes('--json') ? args : [...args, '--json'])
    assert.equal(exitCode, 2)
    assert.equal(JSON.parse(stdout).error.code, code)
  })
}

for (const at of ['yesterday', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-03-01', '-5', '1e9', '']) {
  test(`coalition quote verify: exits 2 on the time "${at}"`, async () => {
    assert.equal((await run(verifyArgs('v4-b0c06f-uptodate', at))).exitCode, 2)
  })
}

test('coalition quote verify: takes a time with an offset', async () => {
  assert.equal((await run(verifyArgs('v4-b0c06f-uptodate', '2025-07-01T02:00:00+02:00'))).exitCode, 0)
})

test('coalition quote verify: fetches the collateral from a PCCS over HTTPS', async (context) => {
  const name = 'v4-b0c06f-uptodate'
  const pccs = await startPccs(context, readVector(name).collateral, { tls: true })
  const dir = await temporaryFolder(context)
  await writeFile(join(dir, 'ca.pem'), pccs.caPem)
  const args = ['verify', fileOf(name, 'quote.bin'), '--pccs', pccs.url, '--at', '2025-07-01T00:00:00Z', '--json']
  const { exitCode, stdout } = await run(args, { NODE_EXTRA_CA_CERTS: join(dir, 'ca.pem') })
  assert.equal(exitCode, 0, stdout)
  assert.equal(pccs.requests.length, 4)
  const untrusted = await run(args)
  assert.equal(untrusted.exitCode, 2)
  assert.equal(JSON.parse(untrusted.stdout).error.code, 'COLLATERAL_UNAVAILABLE')
})

test('coalition quote inspect: says what a quote claims, and that nothing is verified', async () => {
  const text = await run(['inspect', fileOf('v5-90c06f-nolevel', 'quote.bin')])
  assert.equal(text.exitCode, 0)
  assert.match(text.stdout, /^NOT VERIFIED/)
  const { stdout } = await run(['inspect', fileOf('v5-90c06f-nolevel', 'quote.bin'), '--json'])
  const inspection = JSON.parse(stdout)
  assert.equal(inspection.version, 5)
  assert.equal(inspection.pck.fmspc, '0x90c06f000000')
  assert.equal(inspection.pck.tcbComponents[7], 3)
})

test('coalition quote inspect: refuses what is no TDX quote', async () => {
  assert.equal((await run(['inspect', fileOf('sgx-v3-00a067', 'quote.bin')])).exitCode, 1)
})

async function writePolicy(context: TestContext, policy: unknown): Promise<string> {
  const path = join(await temporaryFolder(context), 'policy.json')
  await writeFile(path, JSON.stringify(policy))
  return path
}

async function temporaryFolder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'coalition-quote-'))
  context.after(() => rm(dir, { recursive: true }))
  return dir
}
