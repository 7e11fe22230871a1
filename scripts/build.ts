import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTypeChain } from 'typechain'

/**
 * Compiles the contracts and writes chain/generated/: `npm run build`. Does nothing where nothing changed since the last.
 *
 * Always with the `production` profile, so that what is tested, measured and deployed is one bytecode.
 */
const ROOT = join(import.meta.dirname, '..')
const STAMP = join(ROOT, 'cache/build.stamp')
const ARTIFACTS = join(ROOT, 'artifacts')
const GENERATED = join(ROOT, 'chain/generated')

/** What integrators and the command line deploy or call. Libraries are compiled into their users. */
const PUBLISHED = [
  'contracts/ComponentRegistry.sol',
  'contracts/TicketVerifier.sol',
  'contracts/CoalitionRegistry.sol',
  'contracts/examples/ChronicleEscrow.sol',
  'contracts/examples/TicketGate.sol',
  'contracts/examples/OracleConsumer.sol',
]

if (existsSync(ARTIFACTS) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === deriveStamp()) process.exit(0)

process.stderr.write('build: compiling the contracts\n')
const { status } = spawnSync('hardhat', ['build', '--build-profile', 'production', '--quiet'], {
  cwd: ROOT,
  stdio: ['ignore', 2, 2],
})
if (status !== 0) process.exit(1)
if (countWarnings() > 0) {
  process.stderr.write('build: the compiler warns, and contracts/ is to give it no reason to\n')
  process.exit(1)
}

const files = PUBLISHED.flatMap((source) => globSync(`${source}/*.json`, { cwd: ARTIFACTS })).map((path) =>
  join(ARTIFACTS, path),
)
mkdirSync(GENERATED, { recursive: true })
await runTypeChain({
  cwd: ROOT,
  filesToProcess: files,
  allFiles: files,
  outDir: GENERATED,
  target: join(import.meta.dirname, 'typechain-viem.ts'),
})
// For integrators who use ethers, and for nobody here: the core does not depend on it.
const ETHERS = join(GENERATED, 'ethers')
rmSync(ETHERS, { recursive: true, force: true })
await runTypeChain({
  cwd: ROOT,
  filesToProcess: files,
  allFiles: files,
  outDir: ETHERS,
  target: 'ethers-v6',
  flags: {
    alwaysGenerateOverloads: false,
    discriminateTypes: false,
    node16Modules: true,
    tsNocheck: false,
    environment: undefined,
  },
})
// Its barrels name no file extension, which no Node.js resolves, and load every factory at once.
for (const barrel of globSync('**/index.ts', { cwd: ETHERS })) rmSync(join(ETHERS, barrel))
mkdirSync(join(STAMP, '..'), { recursive: true })
// Once more: what was generated is an input, too, so that an edit by hand is undone.
writeFileSync(STAMP, deriveStamp())

/** What the compiler said of the sources as they are now, this time or when it was last asked. */
function countWarnings(): number {
  type BuildOutput = { output: { errors?: readonly unknown[] } }
  return globSync('build-info/*.output.json', { cwd: ARTIFACTS })
    .map((path) => JSON.parse(readFileSync(join(ARTIFACTS, path), 'utf8')) as BuildOutput)
    .reduce((count, { output }) => count + (output.errors?.length ?? 0), 0)
}

/** Changes with every source, setting and tool that the output depends on. */
function deriveStamp(): string {
  const inputs = [
    ...globSync('{contracts,test/contracts}/**/*.sol', { cwd: ROOT }).sort(),
    'hardhat.config.ts',
    'package-lock.json',
    'scripts/build.ts',
    'scripts/typechain-viem.ts',
    ...globSync('chain/generated/**/*.ts', { cwd: ROOT }).sort(),
  ]
  const hash = createHash('sha256')
  for (const path of inputs)
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0')
  return hash.digest('hex')
}
