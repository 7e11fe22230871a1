import { join } from 'node:path'
import { createEpochs } from '../../client/epochs.ts'
import { check } from '../chaos/checker.ts'
import { type Heights, watchHeights } from '../chaos/heights.ts'
import { startListener } from '../chaos/listener.ts'
import { startLoad } from '../chaos/load.ts'
import { readStoreContent } from '../chaos/storeContent.ts'
import { startOthers } from './committee.ts'
import { DATABASE } from './damage.ts'
import { startRelay } from './relay.ts'
import { describeInjection } from './tracedRun.ts'
import { type Bench, startVictim, type Trial, type TrialOutcome, type TrialResult, tryInjection } from './trial.ts'
import { createWitness } from './witness.ts'

export type InjectionReport = {
  memberCount: number
  /** By what was done to which call on which file. */
  trials: Record<string, Record<TrialOutcome, number>>
  /** Times that the member was started again without faults and signed at a new height; milliseconds, the longest. */
  rejoined: number
  rejoinMaxMs: number
  /** Different messages of the member that were held against its disk as they left. */
  messagesBound: number
  acknowledgementsBound: number
  acknowledgedEnvelopes: number
  heights: number
  signaturesChecked: number
  findings: string[]
}

const CLIENTS = 2
const SETTLE_MAX_MS = 60_000
const POLL_MS = 20

/** Runs a committee under load, makes the calls of one member fail in turn, and judges what is left. */
export async function runInjections(options: {
  dir: string
  memberCount: number
  trials: Iterable<Trial>
  say(line: string): void
}): Promise<InjectionReport> {
  const { dir, memberCount, trials, say } = options
  const committee = await startOthers({ dir, memberCount, submitterCount: 1 + CLIENTS })
  const { chronicle, redisUrl, seats, victim, submitters } = committee
  const { component, signers } = chronicle
  const heights = watchHeights(seats.map(({ url }) => url))
  const listener = startListener({ redisUrl, component })
  const [relayed, ...clients] = submitters
  const load = startLoad({ redisUrl, epochs: createEpochs(chronicle), keys: clients })
  const relay = await startRelay({ redisUrl, component, key: relayed!, urls: seats.map(({ url }) => url) })
  const witness = createWitness({ dir: victim.dir, signer: victim.signer, signers, scratch: join(dir, 'disk') })
  const bench: Bench = { committee, heights, listener, witness, traceFile: join(dir, 'trace') }
  const report: Record<string, Record<TrialOutcome, number>> = {}
  const findings: string[] = []
  const rejoinsMs: number[] = []
  try {
    let count = 0
    for (const trial of trials) {
      const name = describeInjection(trial) + (trial.isPowerCut ? ', and the power lost' : '')
      const before = witness.findings.length
      const result = await tryInjection(bench, trial)
      if (result.rejoinMs !== undefined) rejoinsMs.push(result.rejoinMs)
      const found = [...result.findings, ...witness.findings.slice(before)]
      findings.push(...found.map((finding) => `${name}: ${finding}`))
      const kind = kindOf(trial, result)
      const counts = report[kind] ?? { stopped: 0, wentOn: 0, notReached: 0 }
      report[kind] = { ...counts, [result.outcome]: counts[result.outcome] + 1 }
      count += 1
      say(`${count}. ${name} (${result.outcome}): ${found[0] ?? `signs again after ${result.rejoinMs} ms`}`)
      if (result.rejoinMs === undefined) break
    }

    const last = startVictim(bench)
    await last.isReady
    if (!(await load.finish({ timeoutMs: SETTLE_MAX_MS }))) {
      findings.push(`an envelope was not acknowledged within ${SETTLE_MAX_MS} ms of quiet`)
    }
    await relay.stop()
    await settle(heights)
    await Promise.all([last.end('SIGTERM'), committee.stopOthers()])
    const verdict = await check({
      component,
      signers,
      stores: seats.map(({ name, dir }) => readStoreContent({ name, path: join(dir, DATABASE) })),
      acknowledged: load.acknowledged,
      observed: listener.observed(),
      heads: [],
    })
    findings.push(...verdict.findings.map(({ kind, what }) => `${kind}: ${what}`))
    return {
      memberCount,
      trials: report,
      rejoined: rejoinsMs.length,
      rejoinMaxMs: Math.max(0, ...rejoinsMs),
      messagesBound: witness.counts.messages,
      acknowledgementsBound: witness.counts.acknowledgements,
      acknowledgedEnvelopes: load.acknowledged.length,
      heights: verdict.heights,
      signaturesChecked: verdict.signaturesChecked,
      findings,
    }
  } finally {
    // What failed on the way leaves them running, and then they end without their answers.
    await Promise.allSettled([load.finish({ timeoutMs: 0 }), relay.stop()])
    heights.close()
    listener.close()
    await committee.close()
  }
}

/** `EIO, fsync member.sqlite-wal`: what counts as one kind in the report. */
function kindOf({ call, act, isPowerCut }: Trial, { file = 'not reached' }: TrialResult): string {
  const does = isPowerCut ? 'power cut' : typeof act === 'string' ? act : act.error
  return `${does}, ${call} ${file}`
}

/** Waits until all are at one height and stay there. */
async function settle(heights: Heights): Promise<void> {
  const deadline = Date.now() + SETTLE_MAX_MS
  for (let quietSinceMs = Date.now(), last = ''; Date.now() < deadline; await sleep(POLL_MS)) {
    const said = heights.each().join()
    if (said !== last || new Set(heights.each()).size > 1) [quietSinceMs, last] = [Date.now(), said]
    // Longer than the cadence at which the Chronicle marks a commit for the chain by itself.
    if (Date.now() - quietSinceMs > 3_500) return
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
