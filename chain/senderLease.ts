import { randomUUID } from 'node:crypto'
import { CoalitionError } from '../protocol/errors.ts'

export class SenderBusyError extends CoalitionError {
  constructor({ name, waitedMs }: { name: string; waitedMs: number }) {
    super('SENDER_BUSY', `Another process has been sending with account ${name} for ${waitedMs} ms.`, {
      fix: 'Try again later, or give this process a key of its own: the sender of an anchor needs no authority.',
      isRetryable: true,
    })
  }
}

/** Lets one process at a time send with a key. */
export type SenderLease = {
  /** Runs `run` while nobody else holds `name`. @throws {SenderBusyError} somebody held it for too long. */
  hold<T>(name: string, run: () => Promise<T>): Promise<T>
}

/** Where leases are kept; Redis, through its two commands (ioredis fits as it is). */
export type LeaseStore = {
  set(key: string, token: string, unit: 'PX', ttlMs: number, condition: 'NX'): Promise<string | null>
  eval(script: string, keyCount: number, ...args: (string | number)[]): Promise<unknown>
}

export type CreateSenderLeaseParameters = {
  /** How long a lease outlives a process that died; 30,000 by default. Renewed at a third of it. */
  ttlMs?: number
  /** How long to wait for another process; 120,000 by default. */
  waitMs?: number
}

/** KEYS: the lease. ARGV: token, ttl. Returns 1 where the token is still the holder's, and then renews or deletes. */
const RENEW = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end`
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end`
const POLL_MS = 50

/**
 * A lease by which processes that share a key take turns. It saves fees and confusion and is not relied on for safety:
 * where two hold it after all, one transaction takes the nonce and the other ends in `NonceTakenError`.
 */
export function createSenderLease(store: LeaseStore, parameters: CreateSenderLeaseParameters = {}): SenderLease {
  const { ttlMs = 30_000, waitMs = 120_000 } = parameters
  return {
    async hold(name, run) {
      const key = `coalition-sender-${name}`
      const token = randomUUID()
      const startMs = performance.now()
      while ((await store.set(key, token, 'PX', ttlMs, 'NX')) === null) {
        const waitedMs = Math.round(performance.now() - startMs)
        if (waitedMs > waitMs) throw new SenderBusyError({ name, waitedMs })
        await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      }
      // A renewal that fails is left to the next one: what it guards against costs a fee, no more.
      const renewal = setInterval(() => void store.eval(RENEW, 1, key, token, ttlMs).catch(() => {}), ttlMs / 3)
      try {
        return await run()
      } finally {
        clearInterval(renewal)
        await store.eval(RELEASE, 1, key, token).catch(() => {})
      }
    },
  }
}
