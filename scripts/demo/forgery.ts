import type { Anchored, ComponentRegistry } from '../../chain/componentRegistry.ts'
import type { Sender } from '../../chain/createSender.ts'
import type { Head } from '../../chain/head.ts'
import type { LogReader } from '../../client/logReader.ts'
import type { Component } from '../../client/readComponent.ts'
import { toHex } from '../../protocol/bytes.ts'
import { appendToTiles } from '../../protocol/log/appendToTiles.ts'
import { EMPTY_RANGE } from '../../protocol/log/compactRange.ts'
import { planConsistency } from '../../protocol/log/proofPlan.ts'
import { completeFromTiles, tilesOf } from '../../protocol/log/tileProof.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { rootOfRange } from '../../protocol/log/treeRoot.ts'
import { createCertificate, type VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { signDigest } from '../../protocol/wire/signature.ts'

export type ForgeryDependencies = { registry: ComponentRegistry; sender: Sender; log: LogReader; chronicle: Component }

export type ForgeryParameters = {
  /** The newest head on chain, and the commit that it holds. */
  head: Head
  certified: VerifiedCommit
  /** Puts another entry in place of the first one, or leaves the log as it is. */
  isRewritten: boolean
  /** Keys that sign as the members, in the members' order. */
  secretKeys: readonly Uint8Array[]
}

/** Makes up a commit that adds one entry to the log, signs it and sends it to the registry, which is to refuse it. */
export async function anchorForgery(deps: ForgeryDependencies, parameters: ForgeryParameters): Promise<Anchored> {
  const { registry, sender, log, chronicle } = deps
  const { head, certified, isRewritten, secretKeys } = parameters
  const size1 = head.logSize
  const entries: Uint8Array[] = []
  for (let index = 0n; index < size1; index++) entries.push(await log.readEntry({ index, size: size1 }))
  const text = new TextEncoder()
  if (isRewritten) entries[0] = text.encode('something else happened')
  const { range, appends } = appendToTiles(EMPTY_RANGE, [...entries, text.encode('and then this')].map(hashLeaf))

  const plan = planConsistency({ size1, size2: range.size })
  const tiles = tilesOf(plan).map((tile) => {
    const found = appends.find(({ level, index }) => level === tile.level && index === tile.index)
    if (found === undefined) throw new Error('the forged log lacks a tile')
    return found.hashes
  })
  const commit = {
    ...certified.commit,
    height: certified.commit.height + 1n,
    timestampMs: certified.commit.timestampMs + 1n,
    logSize: range.size,
    logRoot: toHex(rootOfRange(range)),
  }
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: 0 })
  const signatures = new Map(chronicle.signers.map((signer, index) => [signer, signDigest(digest, secretKeys[index]!)]))
  const certificate = createCertificate({ round: 0, signers: chronicle.signers, signatures })
  return await registry.anchor(sender, {
    previous: head,
    certified: { commit, certificate },
    members: chronicle.members,
    consistencyProof: completeFromTiles(plan, tiles),
  })
}
