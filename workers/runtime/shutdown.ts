import type { Logger } from './logger.ts'

/** How long an orderly shutdown may take before the process ends anyway. */
const SHUTDOWN_TIMEOUT_MS = 10_000

export type Shutdown = {
  /** Registers a cleanup; they run in reverse order of registration, each even when one before it fails. */
  defer(name: string, close: () => Promise<void> | void): void
  /** Runs the cleanups once; a second call waits for the first. */
  run(reason: string): Promise<void>
}

/** On SIGTERM or SIGINT: take no more, finish, close in reverse order of opening (style §5). */
export function createShutdown({ logger }: { logger: Logger }): Shutdown {
  const cleanups: { name: string; close: () => Promise<void> | void }[] = []
  let running: Promise<void> | undefined

  const runAll = async (reason: string): Promise<void> => {
    logger.info({ reason }, 'shutting down')
    const deadline = setTimeout(() => {
      logger.error('shutdown took too long')
      process.exit(1)
    }, SHUTDOWN_TIMEOUT_MS)
    for (const { name, close } of cleanups.reverse()) {
      try {
        await close()
      } catch (error) {
        logger.error({ err: error, cleanup: name }, 'a cleanup failed')
        process.exitCode = 1
      }
    }
    clearTimeout(deadline)
  }

  const shutdown: Shutdown = {
    defer: (name, close) => void cleanups.push({ name, close }),
    run: (reason) => {
      running ??= runAll(reason)
      return running
    },
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void shutdown.run(signal).then(() => process.exit()))
  }
  return shutdown
}
