import { pino } from 'pino'
import type { ServeKind } from '../../../workers/member/kinds.ts'
import { startServer } from '../../../workers/member/server.ts'
import { createStatus } from '../../../workers/member/status.ts'
import type { TestMemberOf } from './chronicle-of-tests.ts'

/** Serves a test member's log on loopback, as its process would. */
export const serve = <State>(
  { store, replica, driver, signer }: TestMemberOf<State>,
  checkpoint: () => Uint8Array = () => new Uint8Array(0),
  serveKind?: ServeKind,
  witnessed: () => Uint8Array | undefined = () => undefined,
) =>
  startServer(
    {
      logger: pino({ level: 'silent' }),
      serveKind,
      view: {
        store,
        checkpoint,
        witnessed,
        status: createStatus({ replica, store, driver, queueRestarts: () => 0, redisSilentMs: () => 0 }, { signer }),
        size: () => replica.state().log.size,
        height: () => replica.state().height,
        extensionsFor: replica.readExtensionsFor,
        sequence: (submitter) => replica.state().sequences.get(submitter) ?? 0n,
      },
    },
    { host: '127.0.0.1', port: 0 },
  )
