import { parentPort, workerData } from 'node:worker_threads'
import type { PlanOptions } from './plan.ts'
import { type Edit, FAST, plant } from './plant.ts'

/** What a thread is started with. */
export type ThreadData = { edits: readonly Edit[]; options: PlanOptions & { isTold?: boolean } }

/** A range of seeds to run, in order. */
export type Task = { from: number; count: number }

/** An outcome as plain data: errors do not travel well between threads. */
export type SeedReport = {
  seed: number
  violation: { invariant: string; message: string } | null
  transcript: readonly string[]
  heightCount: number
  deliveryCount: number
  killCount: number
  restoreCount: number
  haltCount: number
  epochCount: number
  isRetired: boolean
}

const { edits, options } = workerData as ThreadData
const planted = plant([...FAST, ...edits])
const { runSeed } = await import('./world.ts')
planted.assertPlanted()

parentPort!.on('message', ({ from, count }: Task) => {
  const reports: SeedReport[] = []
  for (let seed = from; seed < from + count; seed++) {
    const { violation, durationMs, ...rest } = runSeed(seed, options)
    const isHeld = violation === null
    reports.push({ ...rest, violation: isHeld ? null : { invariant: violation.invariant, message: violation.message } })
  }
  parentPort!.postMessage(reports)
})
