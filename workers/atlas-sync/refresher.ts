import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Directory } from './directory.ts'
import type { Outcomes } from './outcomes.ts'
import type { RegistryView } from './registryView.ts'

/** Reads chain and members again and again, for this process's own memory: nothing that it reads has an effect elsewhere. */
export type Refresher = {
  /** Reads once, and from then on at the cadence. */
  start(): Promise<void>
  /** Reads now, or waits for the reading that is under way. A failure is counted, and what was known before stays. */
  refresh(): Promise<void>
  freshAtMs(): { directory: number; registry: number }
  stop(): Promise<void>
}

export type RefresherDependencies = {
  directory: Pick<Directory, 'refresh'>
  registry: Pick<RegistryView, 'poll' | 'find'>
  outcomes: Outcomes
  logger: Logger
  clock: { nowMs(): number }
}

export function createRefresher(
  { directory, registry, outcomes, logger, clock }: RefresherDependencies,
  { component, everyMs }: { component: Hex; everyMs: number },
): Refresher {
  const freshAtMs = { directory: 0, registry: 0 }
  let reading: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function attempt(what: keyof typeof freshAtMs, read: () => Promise<void>): Promise<void> {
    try {
      await read()
      freshAtMs[what] = clock.nowMs()
    } catch (error) {
      outcomes.fail(error)
      const isAlarm = error instanceof CoalitionError && error.code === 'REORG_TOO_DEEP'
      if (isAlarm) logger.error({ err: error, alarm: error.code }, 'alarm: somebody has to look')
      else logger.warn({ err: error, what }, 'reading failed; the next one looks again')
    }
  }

  async function read(): Promise<void> {
    await attempt('registry', () => registry.poll())
    await attempt('directory', () => directory.refresh(registry.find(component)?.newest))
  }

  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  async function turn(): Promise<void> {
    await refresh()
    if (!isStopped) timer = setTimeout(() => void turn(), everyMs)
  }

  return {
    start: turn,
    refresh,
    freshAtMs: () => ({ ...freshAtMs }),
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await reading
    },
  }
}
