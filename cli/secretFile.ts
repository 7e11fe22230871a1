import { open } from 'node:fs/promises'
import { CoalitionError } from '../protocol/errors.ts'

export class UnwritableFileError extends CoalitionError {
  constructor({ path, cause }: { path: string; cause: unknown }) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    super('UNWRITABLE_FILE', `${path} ${isThere ? 'exists already' : 'cannot be written'}.`, {
      fix: 'Choose a new path in a folder that you may write to: no file is overwritten.',
      cause,
    })
  }
}

/**
 * Writes a new file that its owner alone may read (mode 0600), or prints where `path` is `-`.
 *
 * @throws {UnwritableFileError} it is there already, or cannot be written.
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const line = `${text}\n`
  if (path === '-') return void process.stdout.write(line)
  try {
    const handle = await open(path, 'wx', 0o600)
    try {
      await handle.writeFile(line)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw new UnwritableFileError({ path, cause })
  }
}
