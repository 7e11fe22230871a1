import { spawnSync } from 'node:child_process'
import { ROOT } from './services.ts'

/** Format, lint and types of both languages: `npm run check`. */
export const CHECKS: readonly { name: string; command: readonly string[] }[] = [
  { name: 'TypeScript: types', command: ['tsc', '--noEmit'] },
  { name: 'TypeScript: format and lint', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { name: 'Solidity: format', command: ['prettier', '--check', 'contracts/**/*.sol', 'test/**/*.sol'] },
  { name: 'Solidity: lint', command: ['solhint', '--max-warnings', '0', 'contracts/**/*.sol'] },
]

/** Runs one check; its output is shown only where it fails. */
export function runCheck({ name, command }: (typeof CHECKS)[number]): boolean {
  const [program, ...args] = command
  const { status, stdout, stderr } = spawnSync(program!, args, { cwd: ROOT, encoding: 'utf8' })
  process.stdout.write(`${status === 0 ? '✔' : '✖'} ${name}\n`)
  if (status !== 0) process.stdout.write(`${stdout}${stderr}\n`)
  return status === 0
}

if (import.meta.main) process.exitCode = CHECKS.map(runCheck).every(Boolean) ? 0 : 1
