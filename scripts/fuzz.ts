import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { ROOT } from './services.ts'

/**
 * Runs the contracts' invariants over and over, each time with another seed: `node scripts/fuzz.ts --runs 20 --steps 128`.
 *
 * Stops at the first seed that breaks one and says how to replay it. --seed is the first seed; each run takes the next.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    steps: { type: 'string', default: '128' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})
const files = ['invariants', 'coalitionRegistry', 'ticketVerifier'].map((name) => `test/contracts/${name}.test.ts`)

for (let run = 0; run < Number(values.runs); run++) {
  const seed = Number(values.seed) + run
  const env = { ...process.env, SEED: String(seed), FUZZ_STEPS: values.steps }
  const words = ['--test', '--test-reporter=dot', ...files]
  const { status, stdout } = spawnSync(process.execPath, words, { cwd: ROOT, env, encoding: 'utf8' })
  if (status !== 0) {
    process.stdout.write(
      `${stdout}\nSEED=${seed} FUZZ_STEPS=${values.steps} broke; replay it with those and node ${words.join(' ')}\n`,
    )
    process.exit(1)
  }
  process.stderr.write(`fuzz: run ${run + 1} of ${values.runs}, seed ${seed}: every invariant held\n`)
}
process.stdout.write(`${values.runs} runs of ${values.steps} steps from seed ${values.seed}: every invariant held\n`)
