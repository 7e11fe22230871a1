import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SETTINGS_HELP } from '../../../workers/runtime/config.ts'
import { runWorker } from '../../../workers/runtime/runWorker.ts'

type Name = keyof typeof SETTINGS_HELP
const NAMES = Object.keys(SETTINGS_HELP) as Name[]

/** What a worker says where it is started with `words`, and whether it ran. */
async function start(context: TestContext, name: Name, words: readonly string[]) {
  const { argv } = process
  const write = context.mock.method(process.stdout, 'write', () => true)
  process.argv = [...argv.slice(0, 2), ...words]
  let hasRun = false
  const run = async (): Promise<void> => {
    hasRun = true
  }
  try {
    await runWorker({ init: run, run }, { name })
  } finally {
    process.argv = argv
    write.mock.restore()
  }
  return { said: write.mock.calls.map(({ arguments: [text] }) => String(text)).join(''), hasRun }
}

for (const name of NAMES)
  test(`${name} --help: says how it is run and which settings it reads, and does nothing`, async (context) => {
    for (const words of [['--help'], ['run', '-h']]) {
      const { said, hasRun } = await start(context, name, words)
      assert.equal(hasRun, false)
      assert.ok(said.startsWith(`Usage: npm run ${name} -- init | run\n`), said)
      assert.match(said, /^ {2}KEYSTORE {16}path of the keystore of this worker’s key \(required\)$/m)
      assert.match(said, /^ {2}LOG_LEVEL {15}the least that is logged \(default: info\)$/m)
    }
  })

test('every setting of every worker is described', () => {
  for (const line of NAMES.flatMap((name) => SETTINGS_HELP[name])) assert.doesNotMatch(line, /undefined|\[object/)
})

test('a setting without a default that may be left out is not called required', () => {
  const optional = SETTINGS_HELP.member.find((line) => line.startsWith('  TICKETS '))
  assert.match(optional!, /peers$/)
  assert.match(SETTINGS_HELP['atlas-sync'].find((line) => line.startsWith('  FOLLOW_ENDPOINTS '))!, /\(default: yes\)$/)
})

test('a worker without --help runs the command that it is given', async (context) => {
  assert.deepEqual(await start(context, 'member', ['run']), { said: '', hasRun: true })
})
