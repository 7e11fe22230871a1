import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Makes a file's content durable, or the names in a folder. @throws the operating system's error. */
export function sync(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** SQLite's result codes for a disk that refuses: read-only, an error of input or output, full, a file that does not open. */
const DISK_CODES: readonly number[] = [8, 10, 13, 14]
/** The file is shorter than it says: that is damage. */
const SHORT_READ = 522

/** Whether `error` says that the disk refuses, and not that what is on it is wrong. */
export function isDiskFailure(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { code, errcode, syscall } = error as { code?: string; errcode?: number; syscall?: string }
  // The low byte is the kind; the others say which call it was.
  if (code === 'ERR_SQLITE_ERROR')
    return errcode !== undefined && errcode !== SHORT_READ && DISK_CODES.includes(errcode & 0xff)
  return syscall !== undefined
}
