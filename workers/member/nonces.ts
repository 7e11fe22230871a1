import type { Hex } from '../../protocol/bytes.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import type { Nonce } from './peerFrame.ts'
import type { Replica } from './replica.ts'
import type { Store } from './store.ts'

/** Blocks of the home chain: what a quote is bound to before the component's first commit (spec §8.2). */
export type HomeBlocks = {
  newest(): Promise<{ digest: Hex; timeMs: number }>
  /** When the block of that hash was made; undefined where the chain has none such. */
  timeOf(digest: Hex): Promise<number | undefined>
}

export type Nonces = {
  /** The newest that this member knows: of a commit, or of a block before the first; undefined where it knows none. */
  newest(): Promise<Nonce | undefined>
  /** When the commit or block was made; undefined where it is none of this component's, or none any more. */
  timeOf(nonce: { digest: Hex; height: bigint }): Promise<number | undefined>
}

/** Finds the commits and blocks that quotes name. */
export function createNonces<State>({
  replica,
  store,
  blocks,
}: {
  replica: Pick<Replica<State>, 'state'>
  store: Pick<Store, 'readRecord'>
  /** Undefined where the member reads no chain: then nobody is admitted before the first commit. */
  blocks?: HomeBlocks | undefined
}): Nonces {
  return {
    async newest() {
      const { height, parent, timestampMs } = replica.state()
      if (height > 0n) return { digest: parent, height, timeMs: Number(timestampMs) }
      const block = await blocks?.newest()
      return block && { ...block, height: 0n }
    },
    async timeOf({ digest, height }) {
      const decided = replica.state().height
      if (height === 0n) return decided === 0n ? await blocks?.timeOf(digest) : undefined
      const record = height <= decided ? store.readRecord(height) : undefined
      if (record === undefined) return undefined
      const { commit } = decodeCommitRecord(record)
      return deriveCommitDigest(commit) === digest ? Number(commit.timestampMs) : undefined
    },
  }
}
