import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../../scripts/services.ts'

const execute = promisify(execFile)

/** Where Debian's golang-golang-x-mod-dev puts its packages: a GOPATH, so that building asks nobody for anything. */
const DEBIAN_GOPATH = '/usr/share/gocode'
const PACKAGES = ['golang.org/x/mod/sumdb/note', 'golang.org/x/mod/sumdb/tlog']

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  GO111MODULE: 'off',
  GOFLAGS: '',
  GOPATH: process.env.GOPATH === undefined ? DEBIAN_GOPATH : `${process.env.GOPATH}:${DEBIAN_GOPATH}`,
})

/** Why the reader cannot be built here, or undefined where it can. */
export function whyNoGo(): string | undefined {
  if (spawnSync('go', ['version']).status !== 0) return 'there is no go'
  const found = spawnSync('go', ['list', ...PACKAGES], { env: environment(), encoding: 'utf8' })
  return found.status === 0 ? undefined : `Go does not find ${PACKAGES.join(' and ')}`
}

export type GoReader = (args: readonly string[]) => Promise<{ status: number; output: string; said: string }>

/** Builds test/interop/reader into `dir`. */
export async function buildGoReader(dir: string): Promise<GoReader> {
  const program = join(dir, 'reader')
  await execute('go', ['build', '-o', program, join(ROOT, 'test/interop/reader/main.go')], { env: environment() })
  return async (args) => {
    try {
      const { stdout, stderr } = await execute(program, args)
      return { status: 0, output: stdout, said: stderr }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string }
      if (typeof code !== 'number') throw error
      return { status: code, output: stdout, said: stderr }
    }
  }
}
