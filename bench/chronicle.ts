import { join } from 'node:path'
import { type Chain, connectChain } from '../chain/connectChain.ts'
import { createFollower, type ObservedAnchor } from '../chain/createFollower.ts'
import { createSender } from '../chain/createSender.ts'
import { deployRegistry } from '../chain/deployRegistry.ts'
import { createEpochs } from '../client/epochs.ts'
import { createKey, type UnlockedKey, writeKeystore } from '../client/keystore.ts'
import { readComponent } from '../client/readComponent.ts'
import { createSubmitter, type Submitter } from '../client/submit.ts'
import { fromHex, type Hex } from '../protocol/bytes.ts'
import { encodeChronicleCommand } from '../protocol/wire/chronicleCommand.ts'
import { signEnvelope } from '../protocol/wire/envelope.ts'
import { startChain, startProcess, stopProcess } from '../scripts/services.ts'
import { auditStores } from './committee/audit.ts'
import { STATEMENT_SIZE_BYTES } from './committee/client.ts'
import { PASSWORD, type RunningCommittee, startCommittee } from './committee/run.ts'
import { type Figure, quantile } from './measure.ts'

const MEMBER_COUNT = 4
/** As in the committee's own bench: about two full batches wait at any time. */
const SUBMITTERS = 4
const DEPTH = 24
const ENTRIES_PER_ENVELOPE = 256
const SATURATED_MS = 15_000
/** Appends whose certificate and anchor are waited for. */
const TIMED_APPENDS = 200
const CADENCES = [1, 16, 256]
/** Anchors at each cadence; of their gas the median counts. */
const ANCHORS = 9
/** Positions of the ring, each written for the first time once: what a first write costs is of no cadence. */
const WINDOW_HEADS = 8
const ANSWER_TIMEOUT_MS = 60_000
/** How often the chain is looked at: what an anchor's time may be too long by. */
const POLL_MS = 20
// Public: the first account of every Hardhat node.
const PAYER: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

/**
 * A Chronicle of real processes: entries a second at saturation, as all members' stores have them; what one append waits for
 * its proven certificate, and until the anchor that covers it counts on chain; and what an entry's part of an anchor costs.
 */
export async function benchChronicle(): Promise<Figure[]> {
  const figures = [...(await benchSaturated()), ...(await benchAnchored())]
  return figures.map((figure) => ({ ...figure, name: `n=${MEMBER_COUNT} ${figure.name}` }))
}

async function benchSaturated(): Promise<Figure[]> {
  const submitters = Array.from({ length: SUBMITTERS }, createKey)
  const committee = await startCommittee({ memberCount: MEMBER_COUNT, submitters })
  try {
    const { report } = await committee.load({
      submitters,
      depth: DEPTH,
      commandsPerEnvelope: ENTRIES_PER_ENVELOPE,
      durationMs: SATURATED_MS,
      signedBefore: 400,
    })
    if (report.failures.length > 0) console.error(`bench: a submission failed: ${report.failures[0]}`)
    await committee.settle()
    const audit = auditStores(committee.members.map(({ store }) => store))
    const count = audit.countCommands(submitters.map(({ signer }) => signer))
    return [
      { name: 'entries certified and durable, saturated', value: (1000 * count) / report.elapsedMs, unit: '1/s' },
      { name: 'submissions that failed saturated', value: report.failures.length, unit: '' },
    ]
  } finally {
    await committee.close()
  }
}

async function benchAnchored(): Promise<Figure[]> {
  const service = await startChain({ isPrivate: true })
  try {
    const chain = await connectChain({ rpcUrl: service.url })
    const payer = createSender(chain, { secretKey: fromHex(PAYER) })
    const { address: registry } = await deployRegistry(payer)
    const submitter = createKey()
    const committee = await startCommittee({
      memberCount: MEMBER_COUNT,
      submitters: [submitter],
      home: { chainId: chain.chainId, registry },
      // Each commit may anchor: how many entries one carries is then what the bench appends.
      cadence: { anchorEveryCommits: 1, anchorEverySeconds: 1 },
    })
    try {
      const anchorer = await startAnchorer(committee, { rpcUrl: service.url, payer: createKey(), fund: payer.send })
      try {
        return await measureAnchored(committee, { chain, registry, submitter })
      } finally {
        await stopProcess(anchorer)
      }
    } finally {
      await committee.close()
    }
  } finally {
    await service.stop()
  }
}

async function startAnchorer(
  committee: RunningCommittee,
  options: {
    rpcUrl: string
    payer: UnlockedKey
    fund(transaction: { to: Hex; data: Hex; valueWei: bigint }): Promise<unknown>
  },
) {
  const { rpcUrl, payer, fund } = options
  const keystore = join(committee.dir, 'anchorer.json')
  await writeKeystore(payer, { path: keystore, password: PASSWORD })
  await fund({ to: payer.signer, data: '0x', valueWei: 10n ** 19n })
  const env = {
    COALITION_CONFIG: committee.config,
    KEYSTORE: keystore,
    KEYSTORE_PASSWORD_FILE: join(committee.dir, 'password'),
    REDIS_URL: committee.redisUrl,
    RPC_URLS: rpcUrl,
    CONFIRMATIONS: '1',
    LOG_URLS: committee.members.map(({ url }) => url).join(','),
    ANCHOR_TICK_MS: '100',
  }
  const logFile = join(committee.dir, 'anchorer.log')
  const { child } = await startProcess(['workers/chronicle-anchor/main.ts', 'run'], { env, logFile })
  return child
}

async function measureAnchored(
  { config, redisUrl }: RunningCommittee,
  { chain, registry, submitter }: { chain: Chain; registry: Hex; submitter: UnlockedKey },
): Promise<Figure[]> {
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const { component } = chronicle
  const members = await createSubmitter({ redisUrl, epochs: createEpochs(chronicle) })
  const anchors = followAnchors(chain, { registry, component })
  const append = createAppender(members, { component, submitter })
  try {
    for (let count = 0; count < WINDOW_HEADS; count++) await anchors.next((await append(1)).logSize)
    const certificateMs: number[] = []
    const anchored: Promise<number>[] = []
    for (let count = 0; count < TIMED_APPENDS; count++) {
      const startMs = performance.now()
      const { logSize } = await append(1)
      certificateMs.push(performance.now() - startMs)
      anchored.push(anchors.next(logSize).then(() => performance.now() - startMs))
    }
    const anchorMs = await Promise.all(anchored)
    const figures: Figure[] = [
      { name: 'p50 append to certificate', value: quantile(certificateMs, 0.5), unit: 'ms' },
      { name: 'p99 append to certificate', value: quantile(certificateMs, 0.99), unit: 'ms' },
      { name: 'p50 append to anchor', value: quantile(anchorMs, 0.5), unit: 'ms' },
      { name: 'p99 append to anchor', value: quantile(anchorMs, 0.99), unit: 'ms' },
    ]
    for (const entries of CADENCES) {
      const gas: number[] = []
      for (let count = 0; count < ANCHORS; count++) {
        const { logSize } = await append(entries)
        const { txHash, head } = await anchors.next(logSize)
        // One anchor carries one append, because nothing is appended before it counts.
        if (head.logSize !== logSize) throw new Error(`an anchor covers ${head.logSize} entries instead of ${logSize}`)
        const { gasUsed } = await chain.client.getTransactionReceipt({ hash: txHash })
        gas.push(Number(gasUsed) / entries)
      }
      figures.push({ name: `gas an entry, ${entries} an anchor`, value: quantile(gas, 0.5), unit: 'gas' })
    }
    return figures
  } finally {
    anchors.end()
    await members.close()
  }
}

/** Appends statements of 100 bytes as one envelope, and says how long the log was then. */
function createAppender(members: Submitter, { component, submitter }: { component: Hex; submitter: UnlockedKey }) {
  let sequence = 0n
  return async (count: number): Promise<{ logSize: bigint }> => {
    sequence += 1n
    const commands = Array.from({ length: count }, (_, index) => {
      const statement = new Uint8Array(Buffer.alloc(STATEMENT_SIZE_BYTES, `${sequence}/${index} `))
      return encodeChronicleCommand({ kind: 'recordStatement', statement })
    })
    const envelope = signEnvelope({ component, submitter: submitter.signer, sequence, commands }, submitter.secretKey)
    const { verified } = await members.submit(envelope, { timeoutMs: ANSWER_TIMEOUT_MS })
    return { logSize: verified.commit.logSize }
  }
}

/** Waits for anchors as whoever relies on them does: one counts in the block that has it, with one confirmation. */
function followAnchors(chain: Chain, { registry: address, component }: { registry: Hex; component: Hex }) {
  const follower = createFollower(chain, { address, component, confirmations: 1 })
  const waiting = new Set<{ logSize: bigint; resolve(anchor: ObservedAnchor): void }>()
  let isOver = false
  let failure: unknown
  const running = (async () => {
    while (!isOver) {
      for (const { kind, anchor } of await follower.poll()) {
        if (kind !== 'confirmed') continue
        for (const each of waiting) {
          if (each.logSize > anchor.head.logSize) continue
          waiting.delete(each)
          each.resolve(anchor)
        }
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  })().catch((error) => {
    failure = error
  })
  return {
    /** The first anchor that covers `logSize` entries, from now on. */
    async next(logSize: bigint): Promise<ObservedAnchor> {
      const anchored = new Promise<ObservedAnchor>((resolve) => waiting.add({ logSize, resolve }))
      const ended = running.then(() => {
        throw failure ?? new Error('the chain is not followed any more')
      })
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${logSize} entries were not anchored in time`)), ANSWER_TIMEOUT_MS)
      })
      try {
        return await Promise.race([anchored, ended, late])
      } finally {
        clearTimeout(timer)
      }
    },
    end(): void {
      isOver = true
    },
  }
}
