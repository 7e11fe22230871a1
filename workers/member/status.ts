import type { MemberStatus } from '../../client/memberStatus.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { deriveGovernanceDigest } from '../../protocol/wire/governance.ts'
import type { Driver } from './driver.ts'
import type { Replica } from './replica.ts'
import type { Store } from './store.ts'

export type StatusSources<State> = {
  replica: Pick<Replica<State>, 'state'>
  store: Pick<Store, 'countEvidence'>
  driver: Pick<Driver, 'status' | 'vitals' | 'gate'>
  /** How often the command queue was opened anew. */
  queueRestarts(): number
  /** Milliseconds since Redis answered last. */
  redisSilentMs(): number
}

/** Gathers what `/status` says, anew each time it is asked. */
export const createStatus =
  <State>(
    { replica, store, driver, queueRestarts, redisSilentMs }: StatusSources<State>,
    { signer }: { signer: Hex },
  ) =>
  (): MemberStatus => {
    const { component, epoch, height, parent, governance } = replica.state()
    const { vitals } = driver
    const { isJoined, pool, clock } = driver.status()
    return {
      component,
      signer,
      epoch,
      height,
      commitDigest: parent,
      startedAtMs: vitals.startedAtMs,
      nowMs: vitals.nowMs(),
      clock,
      isJoined,
      drops: vitals.drops(),
      peers: governance.members
        .filter((each) => each.signer !== signer)
        .map((each) => ({ signer: each.signer, lastHeardMs: vitals.lastHeardMs().get(each.signer) ?? null })),
      pool,
      approvals: [...governance.approvals].map(([member, payload]) => ({
        member,
        command: deriveGovernanceDigest(payload),
      })),
      evidence: store.countEvidence(),
      queueRestarts: queueRestarts(),
      redisSilentMs: redisSilentMs(),
      admission: driver.gate?.status(),
    }
  }
