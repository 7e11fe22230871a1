import { Worker } from 'node:worker_threads'
import type { PlanOptions } from './plan.ts'
import type { Edit } from './plant.ts'
import type { SeedReport, Task, ThreadData } from './thread.ts'

export type SimulateParameters = {
  /** First seed. */
  from: number
  count: number
  threadCount: number
  /** Seeds that a thread is given at a time. */
  batchSize?: number
  options?: PlanOptions & { isTold?: boolean }
  /** Faults planted in the source that the threads load. */
  edits?: readonly Edit[]
  /** Called after each batch of seeds; true ends the run early. */
  onReports?: (reports: readonly SeedReport[]) => boolean
}

/** Runs seeds on threads of their own, batch by batch. Resolves with the reports that violate something, by seed. */
export async function simulate(parameters: SimulateParameters): Promise<SeedReport[]> {
  const { from, count, threadCount, batchSize = 20, options = {}, edits = [], onReports = () => false } = parameters
  const failures: SeedReport[] = []
  let next = from
  let isOver = false
  const takeTask = (): Task | undefined => {
    if (isOver || next >= from + count) return undefined
    const task = { from: next, count: Math.min(batchSize, from + count - next) }
    next += task.count
    return task
  }
  const runThread = () =>
    new Promise<void>((resolve, reject) => {
      const workerData: ThreadData = { edits, options }
      const thread = new Worker(new URL('./thread.ts', import.meta.url), { workerData })
      const give = () => {
        const task = takeTask()
        if (task === undefined) void thread.terminate().then(() => resolve())
        else thread.postMessage(task)
      }
      thread.on('message', (reports: SeedReport[]) => {
        failures.push(...reports.filter(({ violation }) => violation !== null))
        if (onReports(reports)) isOver = true
        give()
      })
      thread.on('error', reject)
      give()
    })
  await Promise.all(Array.from({ length: threadCount }, runThread))
  return failures.sort((a, b) => a.seed - b.seed)
}
