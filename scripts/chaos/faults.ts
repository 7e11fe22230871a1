import { Redis } from 'ioredis'
import { protocolStreamName } from '../../workers/queues.ts'
import type { Committee, MemberVictim } from './committee.ts'
import type { Heights } from './heights.ts'
import type { Listener } from './listener.ts'
import type { Episode, Fault } from './plan.ts'

/** How long each recovery took, in milliseconds; the heights' were looked at every 25. */
export type Recoveries = {
  /** From the SIGKILL of one member to the next commit at another. */
  nextCommitAfterMemberKillMs: number[]
  /** The longest time without a commit from that SIGKILL until the member was back. */
  longestGapAfterMemberKillMs: number[]
  /** From the start of the killed member's process to its first signature for a height beyond the one it came back at. */
  rejoinAfterKillMs: number[]
  /** From the start of an empty Redis where one was killed to the next commit. */
  nextCommitAfterRedisRestartMs: number[]
  /** From the end of any other fault to the next commit. */
  nextCommitAfterOtherFaultMs: number[]
}

/** How long a recovery is waited for before the run counts as failed. */
const RECOVERY_MAX_MS = 60_000

export class NoRecoveryError extends Error {}

type World = { committee: Committee; heights: Heights; listener: Listener; recoveries: Recoveries }

/** Does to the committee what `episode` says, undoes it, and waits until everybody is back at work. */
export async function strike(episode: Episode, world: World): Promise<void> {
  const { committee, heights, recoveries } = world
  const members = episode.members.map((index) => committee.members[index]!)
  const hold = (): Promise<void> => sleep(episode.holdMs)
  const act: Record<Fault, () => Promise<void>> = {
    async killMember() {
      const [member] = members
      const before = heights.top()
      const killedAtMs = Date.now()
      await member!.kill()
      const [committedAtMs] = await Promise.all([waitForCommit(world, before, 'a member was killed'), hold()])
      recoveries.nextCommitAfterMemberKillMs.push(committedAtMs - killedAtMs)
      recoveries.rejoinAfterKillMs.push(await bringBack(member!, world))
      recoveries.longestGapAfterMemberKillMs.push(heights.longestGapMs(killedAtMs))
    },
    async pauseMember() {
      members[0]!.pause()
      await hold()
      members[0]!.resume()
    },
    async killTwoMembers() {
      await Promise.all(members.map((member) => member.kill()))
      await hold()
      await Promise.all(members.map((member) => bringBack(member, world)))
    },
    async killAllMembers() {
      await Promise.all(members.map((member) => member.kill()))
      await hold()
      await Promise.all(members.map((member) => bringBack(member, world)))
    },
    async killRedis() {
      await committee.redis.kill()
      await hold()
      const startedAtMs = Date.now()
      const before = heights.top()
      await committee.redis.start()
      const committedAtMs = await waitForCommit(world, before, 'Redis came back')
      recoveries.nextCommitAfterRedisRestartMs.push(committedAtMs - startedAtMs)
    },
    async pauseRedis() {
      committee.redis.pause()
      await hold()
      committee.redis.resume()
    },
    flushRedis: () => withRedis(committee.redisUrl, (redis) => redis.flushall()),
    trimStream: () => withRedis(committee.redisUrl, (redis) => redis.xtrim(streamOf(committee), 'MAXLEN', 0)),
    // Whoever reads from the newest entry on would wait for one that is newer for some centuries.
    jumpStream: () =>
      withRedis(committee.redisUrl, async (redis) => {
        await redis.xadd(streamOf(committee), `${Date.now() + 10 ** 13}-0`, 'f', 'x')
        await sleep(200)
        await redis.del(streamOf(committee))
      }),
    async killAnchorer() {
      await committee.anchorer.kill()
      await hold()
      await committee.anchorer.start()
    },
    async pauseAnchorer() {
      committee.anchorer.pause()
      await hold()
      committee.anchorer.resume()
    },
  }
  await act[episode.fault]()
  if (episode.fault === 'killMember' || episode.fault === 'killRedis') return
  const endedAtMs = Date.now()
  recoveries.nextCommitAfterOtherFaultMs.push(
    (await waitForCommit(world, heights.top(), `${episode.fault} ended`)) - endedAtMs,
  )
}

/** Starts a member again; resolves with the time it took to sign for a height that nobody had decided before. */
async function bringBack(member: MemberVictim, { heights, listener }: World): Promise<number> {
  const startedAtMs = Date.now()
  const vote = listener.waitForVote({ signer: member.signer, height: heights.top() + 1n, timeoutMs: RECOVERY_MAX_MS })
  await member.start()
  const votedAtMs = await vote
  if (votedAtMs === undefined) throw new NoRecoveryError(`${member.name} did not rejoin within ${RECOVERY_MAX_MS} ms`)
  return votedAtMs - startedAtMs
}

async function waitForCommit({ heights }: World, above: bigint, after: string): Promise<number> {
  const atMs = await heights.waitAbove(above, { timeoutMs: RECOVERY_MAX_MS })
  if (atMs === undefined) throw new NoRecoveryError(`no commit within ${RECOVERY_MAX_MS} ms after ${after}`)
  return atMs
}

async function withRedis(url: string, act: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(url)
  redis.on('error', () => {})
  try {
    await act(redis)
  } finally {
    redis.disconnect()
  }
}

const streamOf = ({ chronicle: { component } }: Committee): string => protocolStreamName({ component })

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
