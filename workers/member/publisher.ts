import { fromHex } from '../../protocol/bytes.ts'
import type { NoteSigner } from '../../protocol/log/signNote.ts'
import { rootOfRange } from '../../protocol/log/treeRoot.ts'
import type { Logger } from '../runtime/logger.ts'
import { createPublication, PERIOD_MS } from './publication.ts'
import type { Replica } from './replica.ts'
import type { Store } from './store.ts'
import type { Transport } from './transport.ts'
import type { DropReason } from './vitals.ts'
import type { Witness } from './witness.ts'
import { startWitnesses } from './witnesses.ts'

export type PublisherDependencies<State> = {
  replica: Pick<Replica<State>, 'state' | 'onDecided'>
  /** Proofs for witnesses are made from its tiles. */
  store: Pick<Store, 'readTile'>
  /** Of checkpoints alone: what is lost, late or made up on it harms no vote. The publisher closes it. */
  transport: Transport
  drop(reason: DropReason): void
  logger: Logger
  clock: { nowMs(): number }
}

export type Publisher = {
  /** See `Publication.checkpoint`. */
  checkpoint(): Uint8Array
  /** See `Publication.witnessed`. */
  witnessed(): Uint8Array | undefined
  close(): Promise<void>
}

/** Runs a member's publication: what is decided goes in, notes go out and come in, witnesses are asked. */
export async function startPublisher<State>(
  { replica, store, transport, drop, logger, clock }: PublisherDependencies<State>,
  { signer, witnesses }: { signer: NoteSigner; witnesses: readonly Witness[] },
): Promise<Publisher> {
  const { log, timestampMs } = replica.state()
  const publication = createPublication(
    {
      signer,
      members: () => replica.state().governance.members,
      // What Redis does not take now is said again while it matters.
      send: (note) => void transport.broadcast(note).catch(() => {}),
      drop,
      logger,
      clock,
    },
    { size: log.size, root: rootOfRange(log), timestampMs },
  )
  replica.onDecided(
    guard(({ logSize, logRoot, timestampMs }) =>
      publication.decided({ size: logSize, root: fromHex(logRoot), timestampMs }),
    ),
  )
  await transport.listen(guard((note: Uint8Array) => publication.receive(note)))
  const timer = setInterval(
    guard(() => publication.tick()),
    PERIOD_MS,
  )

  const witnessing = startWitnesses({ publication, store, drop, logger, clock }, { witnesses })

  /** A fault in here is no reason to stop voting. */
  function guard<T extends unknown[]>(act: (...args: T) => void): (...args: T) => void {
    return (...args) => {
      try {
        act(...args)
      } catch (error) {
        logger.error({ err: error }, 'publishing a checkpoint failed')
      }
    }
  }

  return {
    checkpoint: publication.checkpoint,
    witnessed: publication.witnessed,
    async close() {
      clearInterval(timer)
      await witnessing.close()
      replica.onDecided(() => {})
      await transport.close()
    },
  }
}
