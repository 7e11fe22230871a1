import { type ComponentRegistry, ComponentUnknownError } from '../../chain/componentRegistry.ts'
import type { Sender } from '../../chain/createSender.ts'
import type { Head } from '../../chain/head.ts'
import { type LogReader, NotInLogError } from '../../client/logReader.ts'
import type { Chronicle } from '../../client/readChronicle.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { verifyGrowth } from '../../protocol/log/verifyGrowth.ts'
import { type VerifiedCommit, verifyCertificate } from '../../protocol/wire/certificate.ts'
import type { Logger } from '../runtime/logger.ts'

/** What one tick came to. */
export type AnchorResult =
  | { status: 'nothingMarked' }
  | { status: 'alreadyAnchored'; logSize: string }
  | { status: 'anchored'; logSize: string; height: string; txHash: Hex; gasUsed: string }

export type ProcessorDependencies = {
  registry: ComponentRegistry
  sender: Sender
  /** Logs of members: any honest one is enough, and none is believed. */
  logs: readonly LogReader[]
  logger: Logger
}

export class NotForTheChainError extends CoalitionError {
  constructor({ url, height }: { url: string; height: bigint }) {
    super(
      'NOT_FOR_THE_CHAIN',
      `The log at ${url} offers height ${height}, which is not a marked commit of this component.`,
      {
        fix: 'Leave this log out of LOG_URLS until its operator has explained it.',
        kind: 'refused',
      },
    )
  }
}

export class LogsUnusableError extends CoalitionError {
  constructor({ reasons }: { reasons: readonly string[] }) {
    super('LOGS_UNUSABLE', `No log gives a certified commit that continues the anchored one: ${reasons.join('; ')}`, {
      fix: 'Give LOG_URLS of more members; if every log contradicts the chain, raise an alarm: a log was rewritten.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/**
 * One tick of the cadence: takes the newest certified commit that is marked for the chain, and anchors it.
 *
 * A tick is only a hint. It may run twice, late, or in two processes at once: what is to be done is read from the chain
 * and the logs each time, and a second anchor of the same commit is refused by the registry before it costs anything.
 */
export const createProcessor =
  ({ registry, sender, logs, logger }: ProcessorDependencies, { chronicle }: { chronicle: Chronicle }) =>
  async (): Promise<AnchorResult> => {
    const { component, members } = chronicle
    const previous = await readOrRegister()
    const candidates = await readCandidates()
    const newest = candidates[0]
    if (newest === undefined) return { status: 'nothingMarked' }
    if (newest.verified.commit.logSize <= previous.logSize) {
      return { status: 'alreadyAnchored', logSize: previous.logSize.toString() }
    }
    const { verified, consistencyProof } = await proveGrowth(previous, candidates)
    const { commit } = verified
    const { txHash, gasUsed } = await registry.anchor(sender, {
      previous,
      certified: verified,
      members,
      consistencyProof,
    })
    logger.info({ height: commit.height, logSize: commit.logSize, txHash, gasUsed }, 'anchored')
    return {
      status: 'anchored',
      logSize: commit.logSize.toString(),
      height: commit.height.toString(),
      txHash,
      gasUsed: gasUsed.toString(),
    }

    async function readOrRegister(): Promise<Head> {
      try {
        return await registry.readHead({ component })
      } catch (error) {
        if (!(error instanceof ComponentUnknownError)) throw error
      }
      const { txHash } = await registry.register(sender, { componentId: chronicle.componentId, members })
      logger.info({ component, txHash }, 'registered')
      return await registry.readHead({ component })
    }

    /** What each log offers, as far as its certificate holds; the newest first. */
    async function readCandidates(): Promise<Candidate[]> {
      const offered = await Promise.allSettled(
        logs.map(async (log): Promise<Candidate> => {
          const { commit, certificate } = await log.readNewestAnchor()
          // A certificate alone is not enough: a liar may serve one of a commit that is not for the chain.
          const isForTheChain = commit.component === component && commit.anchor && commit.epoch === previous.epoch
          if (!isForTheChain) throw new NotForTheChainError({ url: log.url, height: commit.height })
          return { log, verified: verifyCertificate({ commit, certificate, signers: chronicle.signers }) }
        }),
      )
      const candidates = offered.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
      const failures = offered.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
      for (const error of failures) if (!(error instanceof CoalitionError)) throw error
      const faults = failures.filter((error) => !(error instanceof NotInLogError))
      if (candidates.length === 0 && faults.length === logs.length) {
        throw new LogsUnusableError({ reasons: faults.map(({ message }) => message) })
      }
      return candidates.sort((a, b) => Number(b.verified.commit.height - a.verified.commit.height))
    }
  }

type Candidate = { log: LogReader; verified: VerifiedCommit }

/** The newest candidate whose log also proves that it continues what is anchored. */
async function proveGrowth(
  { logSize: size1, logRoot }: Head,
  candidates: readonly Candidate[],
): Promise<{ verified: VerifiedCommit; consistencyProof: readonly Uint8Array[] }> {
  const reasons: string[] = []
  for (const { log, verified } of candidates) {
    const size2 = verified.commit.logSize
    try {
      const proof = await log.proveConsistency({ size1, size2 })
      verifyGrowth({ size1, root1: fromHex(logRoot), size2, root2: fromHex(verified.commit.logRoot), proof })
      return { verified, consistencyProof: proof }
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      reasons.push(error.message)
    }
  }
  throw new LogsUnusableError({ reasons })
}
