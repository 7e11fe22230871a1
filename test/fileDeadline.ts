/**
 * Loaded ahead of each test file by `npm test`: a file that lives on after its tests, because one left a connection or a
 * process open, would otherwise hold the whole suite for ever.
 */
const FILE_TIMEOUT_MS = 6 * 60_000

setTimeout(() => {
  process.stderr.write(`${process.argv[1]} still runs after ${FILE_TIMEOUT_MS / 60_000} minutes and is ended\n`)
  process.exit(1)
}, FILE_TIMEOUT_MS).unref()
