import { readHeads } from '../../chain/readHeads.ts'
import { createEpochs } from '../../client/epochs.ts'
import { check, type Finding } from './checker.ts'
import { type Committee, startCommittee } from './committee.ts'
import { NoRecoveryError, type Recoveries, strike } from './faults.ts'
import { type Heights, watchHeights } from './heights.ts'
import { startInjector } from './injector.ts'
import { startListener } from './listener.ts'
import { startLoad } from './load.ts'
import { FAULTS, planEpisodes } from './plan.ts'
import { readStoreContent } from './storeContent.ts'

export type Spread = { count: number; p50: number; p99: number; max: number } | null

export type ChaosReport = {
  passed: boolean
  seed: number
  minutes: number
  acknowledgedEnvelopes: number
  acknowledgedCommands: number
  resubmissions: Record<string, number>
  lost: number
  contradictions: number
  heights: number
  anchors: number
  signaturesChecked: number
  messagesObserved: number
  faults: Record<string, number>
  injections: Record<string, number>
  recoveries: Record<keyof Recoveries, Spread>
  /** Which of the goals were missed; empty where all hold. */
  goalsMissed: string[]
  /** Empty where every promise was kept. */
  findings: Finding[]
}

/** Milliseconds at the 99th percentile. */
const GOALS: Partial<Record<keyof Recoveries, number>> = {
  nextCommitAfterMemberKillMs: 3_000,
  longestGapAfterMemberKillMs: 3_000,
  rejoinAfterKillMs: 5_000,
  nextCommitAfterRedisRestartMs: 10_000,
}
const CLIENTS = 6
const SETTLE_MAX_MS = 60_000

/** Runs a committee under load through `durationMs` of faults, and lets the checker judge what is left of it. */
export async function runChaos(options: {
  dir: string
  seed: number
  durationMs: number
  say(line: string): void
}): Promise<ChaosReport> {
  const { dir, seed, durationMs, say } = options
  const committee = await startCommittee({ dir, submitterCount: CLIENTS })
  const { chronicle, members, redisUrl, submitters } = committee
  const { component, signers } = chronicle
  const heights = watchHeights(members.map(({ url }) => url))
  const listener = startListener({ redisUrl, component })
  const load = startLoad({ redisUrl, epochs: createEpochs(chronicle), keys: submitters })
  if ((await heights.waitAbove(2n, { timeoutMs: SETTLE_MAX_MS })) === undefined) throw new Error('no commit at all')
  const injector = startInjector({ seed, redisUrl, component, members, recent: listener.recent })
  say('the committee works; chaos begins')

  const recoveries: Recoveries = {
    nextCommitAfterMemberKillMs: [],
    longestGapAfterMemberKillMs: [],
    rejoinAfterKillMs: [],
    nextCommitAfterRedisRestartMs: [],
    nextCommitAfterOtherFaultMs: [],
  }
  const faults: Record<string, number> = Object.fromEntries(FAULTS.map((fault) => [fault, 0]))
  const findings: Finding[] = []
  const deadline = Date.now() + durationMs
  try {
    for (const episode of planEpisodes(seed, { memberCount: members.length })) {
      if (Date.now() >= deadline) break
      const startedAtMs = Date.now()
      await strike(episode, { committee, heights, listener, recoveries })
      faults[episode.fault]! += 1
      const struck = episode.members.length === 0 ? '' : ` ${episode.members.join(', ')}`
      say(`${episode.fault}${struck}, ${episode.holdMs} ms: over after ${Date.now() - startedAtMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, episode.restMs))
    }
  } catch (error) {
    if (!(error instanceof NoRecoveryError)) throw error
    findings.push({ kind: 'lost', what: error.message })
  }

  await injector.stop()
  if (!(await load.finish({ timeoutMs: SETTLE_MAX_MS }))) {
    findings.push({ kind: 'lost', what: `an envelope was not acknowledged within ${SETTLE_MAX_MS} ms of quiet` })
  }
  await settle(committee, heights)
  heights.close()
  await committee.stopMembers()
  listener.close()
  say(`${load.acknowledged.length} envelopes acknowledged, ${heights.top()} heights; checking`)
  const heads = await readHeads(committee.chain, { address: chronicle.home.registry, component })
  const observed = listener.observed()
  const verdict = await check({
    component,
    signers,
    stores: members.map(({ name, storePath }) => readStoreContent({ name, path: storePath })),
    acknowledged: load.acknowledged,
    observed,
    heads,
  })
  await committee.stopServers()

  findings.push(...verdict.findings)
  const spreads = Object.fromEntries(
    Object.entries(recoveries).map(([name, values]) => [name, spreadOf(values)]),
  ) as ChaosReport['recoveries']
  const goalsMissed = Object.entries(GOALS).flatMap(([name, goalMs]) => {
    const p99 = spreads[name as keyof Recoveries]?.p99 ?? 0
    return p99 > goalMs ? [`${name}: p99 ${p99} ms, the goal is ${goalMs} ms`] : []
  })
  return {
    passed: findings.length === 0 && goalsMissed.length === 0,
    seed,
    minutes: durationMs / 60_000,
    acknowledgedEnvelopes: load.acknowledged.length,
    acknowledgedCommands: load.acknowledged.reduce((sum, { commands }) => sum + commands.length, 0),
    resubmissions: load.resubmissions,
    lost: findings.filter(({ kind }) => kind === 'lost').length,
    contradictions: findings.filter(({ kind }) => kind === 'contradiction').length,
    heights: verdict.heights,
    anchors: Math.max(0, heads.length - 1),
    signaturesChecked: verdict.signaturesChecked,
    messagesObserved: observed.length,
    faults,
    injections: injector.counts,
    recoveries: spreads,
    goalsMissed,
    findings,
  }
}

/** Waits until every member is at the same height, and stays there for a while: nobody sends any more. */
async function settle({ members }: Committee, heights: Heights): Promise<void> {
  const deadline = Date.now() + SETTLE_MAX_MS
  for (let quietSinceMs = Date.now(), last = ''; Date.now() < deadline; ) {
    const said = heights.each().join()
    if (said !== last || new Set(heights.each()).size > 1) [quietSinceMs, last] = [Date.now(), said]
    // Longer than the cadence at which the Chronicle marks a commit for the chain by itself.
    if (Date.now() - quietSinceMs > 3_500 && members.length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const at = (ratio: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(ratio * sorted.length) - 1)]!
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
