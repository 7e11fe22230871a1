import type { Hex } from '../../protocol/bytes.ts'
import { createCertificate } from '../../protocol/wire/certificate.ts'
import { deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { executeBlock } from './component.ts'
import type { World } from './world.ts'

/**
 * The keys of members that were rotated out, in wrong hands: a quorum of an old committee's can sign anything in its
 * epoch, once all honest members have left it (spec §5.5). Nobody may believe it.
 */
export class OldKeys {
  readonly #world: World
  readonly #held = new Set<Hex>()

  constructor(world: World) {
    this.#world = world
  }

  holds(signer: Hex): boolean {
    return this.#held.has(signer)
  }

  /** Certifies another continuation of the log under an epoch that has ended, and shows it to everyone. */
  strike(): void {
    const { memberships, members, keyring, honest } = this.#world
    const states = honest.map(({ disk }) => disk.read().state)
    // A retirement ends an epoch, too, and none follows.
    const ended = Math.min(
      ...states.map(({ epoch, governance }) => Number(epoch) - (governance.retirement === null ? 1 : 0)),
    )
    const signers = memberships[ended]
    if (signers === undefined) return
    const gone = signers.filter(
      (signer) =>
        !memberships
          .slice(ended + 1)
          .flat()
          .includes(signer),
    )
    if (3 * gone.length <= 2 * signers.length) return
    for (const signer of gone) this.#held.add(signer)
    const { replica } = this.#world.random.pick(honest)
    const block = { parent: replica.parent, timestampMs: replica.timestampMs + 1n, batch: [], extensions: [] }
    const state = { ...replica, epoch: BigInt(ended), governance: { ...replica.governance, retirement: null } }
    const { commit, body } = executeBlock({ state, block, envelopes: this.#world.envelopes })
    const commitDigest = deriveCommitDigest(commit)
    const digest = derivePrecommitDigest({ commitDigest, round: 0 })
    const signatures = new Map(gone.map((signer) => [signer, keyring.signerOf(signer)(digest)]))
    const certificate = createCertificate({ round: 0, signers, signatures })
    const decision = { commit, commitDigest, certificate, body, block, extensions: [] }
    this.#world.note(() => `old keys certify height ${commit.height} in epoch ${ended}`)
    for (const { index } of members) this.#world.send(index, index, { kind: 'decided', decision })
  }
}
