import { createReadStream } from 'node:fs'
import { UnreadableInputError } from '../client/unreadableInput.ts'
import { CoalitionError } from '../protocol/errors.ts'

export class InputTooLargeError extends CoalitionError {
  constructor({ path, sizeMaxBytes }: { path: string; sizeMaxBytes: number }) {
    super('INPUT_TOO_LARGE', `${path === '-' ? 'Standard input' : path} has more than ${sizeMaxBytes} bytes.`, {
      fix: 'Make sure that it is the file you meant; no valid one is this large.',
    })
  }
}

/**
 * Reads a file, or standard input where `path` is `-`, as UTF-8.
 *
 * @param options.sizeMaxBytes reads no further than this.
 * @throws {UnreadableInputError} no such file, not allowed, or not UTF-8.
 * @throws {InputTooLargeError} more bytes than that.
 */
export async function readInput(path: string, { sizeMaxBytes }: { sizeMaxBytes: number }): Promise<string> {
  const bytes = await readBytes(path, { sizeMaxBytes })
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new UnreadableInputError({ path, cause })
  }
}

/** As `readInput`, without asking that it be text. */
export async function readBytes(path: string, { sizeMaxBytes }: { sizeMaxBytes: number }): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) {
      size += chunk.length
      if (size > sizeMaxBytes) throw new InputTooLargeError({ path, sizeMaxBytes })
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (cause) {
    if (cause instanceof CoalitionError) throw cause
    throw new UnreadableInputError({ path, cause })
  }
}
