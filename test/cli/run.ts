import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../cli/coalition', import.meta.url))
const vectorsFolder = fileURLToPath(new URL('../vectors/', import.meta.url))

export type Run = { status: number | null; stdout: string; stderr: string }

/** Runs the command line as a person does, in test/vectors; with nobody at its standard output unless `isHeard`. */
export async function runCoalition(words: readonly string[], { stdin = '', isHeard = true } = {}): Promise<Run> {
  const child = spawn(command, words, { cwd: vectorsFolder })
  if (!isHeard) child.stdout.destroy()
  // A command that refuses its words does not wait for its input.
  child.stdin.on('error', () => {}).end(stdin)
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, status] = await Promise.all([isHeard ? text(child.stdout) : '', text(child.stderr), closed])
  return { status, stdout, stderr }
}
