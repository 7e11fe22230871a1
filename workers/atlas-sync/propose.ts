import type { SenderLease } from '../../chain/senderLease.ts'
import { type AtlasPublisher, createAtlasPublisher } from '../../client/atlasPublisher.ts'
import type { AtlasComponent } from '../../client/atlasReader.ts'
import type { SigningKey } from '../../client/createWriter.ts'
import type { LogReader } from '../../client/logReader.ts'
import type { Submitted } from '../../client/submit.ts'
import type { VerifiedCommit } from '../../protocol/wire/certificate.ts'
import type { ProcessorDependencies } from './processor.ts'

/** How long members may take for one proposal. */
const SUBMIT_TIMEOUT_MS = 30_000

/**
 * Brings commands to the Atlas with this worker's submitter key. Proposals are rare, so each connects anew: what Redis went
 * through in between is nothing to it. Workers that share a key take turns, or two would use one sequence.
 */
export function createProposer(
  { logs, lease }: { logs: readonly LogReader[]; lease: SenderLease },
  { atlas, redisUrl, key }: { atlas: AtlasComponent; redisUrl: string; key: SigningKey },
): ProcessorDependencies['propose'] {
  const propose = (act: (publisher: AtlasPublisher) => Promise<Submitted>): Promise<VerifiedCommit> =>
    lease.hold(`atlas-${atlas.component}-${key.signer}`, async () => {
      const publisher = await createAtlasPublisher({
        ...{ atlas, redisUrl, logs, submitter: key, timeoutMs: SUBMIT_TIMEOUT_MS },
      })
      try {
        const { verified } = await act(publisher)
        // Whoever has the next turn reads from the same log which sequence comes next.
        await logs[0]?.waitForCommit(verified.commit.height, { timeoutMs: SUBMIT_TIMEOUT_MS }).catch(() => {})
        return verified
      } finally {
        await publisher.close()
      }
    })
  return {
    card: (card) => propose((publisher) => publisher.bring(card)),
    list: (citizens) => propose((publisher) => publisher.list(citizens)),
  }
}
