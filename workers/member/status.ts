import type { MemberStatus } from '../../client/memberStatus.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { Driver } from './driver.ts'
import type { Replica } from './replica.ts'
import type { Store } from './store.ts'

export type StatusSources<State> = {
  replica: Pick<Replica<State>, 'state'>
  store: Pick<Store, 'countEvidence'>
  driver: Pick<Driver, 'status' | 'vitals'>
  /** How often the command queue was opened anew. */
  queueRestarts(): number
}

/** Gathers what `/status` says, anew each time it is asked. */
export const createStatus =
  <State>(
    { replica, store, driver, queueRestarts }: StatusSources<State>,
    { signer, signers }: { signer: Hex; signers: readonly Hex[] },
  ) =>
  (): MemberStatus => {
    const { component, epoch, height, parent } = replica.state()
    const { vitals } = driver
    const { isJoined, pool } = driver.status()
    return {
      component,
      signer,
      epoch,
      height,
      commitDigest: parent,
      startedAtMs: vitals.startedAtMs,
      nowMs: vitals.nowMs(),
      isJoined,
      drops: vitals.drops(),
      peers: signers
        .filter((each) => each !== signer)
        .map((each) => ({ signer: each, lastHeardMs: vitals.lastHeardMs().get(each) ?? null })),
      pool,
      evidence: store.countEvidence(),
      queueRestarts: queueRestarts(),
    }
  }
