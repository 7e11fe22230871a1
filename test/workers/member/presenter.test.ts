import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import type { Hex } from '../../../protocol/bytes.ts'
import type { Nonce, ShownTicket } from '../../../workers/member/peerFrame.ts'
import { createPresenter } from '../../../workers/member/presenter.ts'
import { component as componentId, signers } from './chronicle-of-tests.ts'

const HOUR_MS = 3_600_000

/** One member's presenter, by a clock and a monotonic one that move when a test says so. */
function createTestPresenter() {
  const times = { clockMs: 1_790_000_000_000, monotonicMs: 0 }
  const nonce = { height: 1n }
  const shown: (readonly ShownTicket[])[] = []
  const quotes = { count: 0, isOut: false }
  // A commit that has just been made, whatever the clock says.
  const nonceAt = (height: bigint): Nonce => ({
    digest: `0x${height.toString(16).padStart(64, '0')}`,
    ...{ height, timeMs: times.clockMs },
  })
  const presenter = createPresenter(
    {
      sources: {
        quote: async (reportData: Hex) => {
          quotes.count += 1
          if (quotes.isOut) throw new Error('this platform quotes no more')
          return new TextEncoder().encode(reportData)
        },
      },
      clock: { nowMs: () => times.clockMs },
      monotonic: { nowMs: () => times.monotonicMs },
      logger: pino({ level: 'silent' }),
      newestNonce: async () => nonceAt(nonce.height),
      show: (tickets) => shown.push(tickets),
    },
    { componentId, signer: signers[0]! },
  )
  return {
    ...{ presenter, nonce, shown, quotes, nonceAt },
    setClock(ms: number): void {
      times.clockMs += ms
    },
    /** Ticks after `ms`, and lets all that comes of it come: nothing in it waits for anything outside. */
    async tickAfter(ms: number): Promise<void> {
      times.clockMs += ms
      times.monotonicMs += ms
      presenter.tick()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

for (const [name, jumpMs] of [
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
] as const) {
  test(`createPresenter: shows again after half a minute, or five seconds after a refusal, though its clock is set ${name} an hour`, async () => {
    const { presenter, shown, setClock, tickAfter } = createTestPresenter()
    await tickAfter(0)
    assert.equal(shown.length, 1)
    setClock(jumpMs)
    await tickAfter(29_999)
    assert.equal(shown.length, 1)
    await tickAfter(1)
    assert.equal(shown.length, 2)
    presenter.refused(undefined)
    setClock(jumpMs)
    await tickAfter(4_999)
    assert.equal(shown.length, 2)
    await tickAfter(1)
    assert.equal(shown.length, 3)
  })

  test(`createPresenter: quotes anew after five minutes, or five seconds after a refusal, though its clock is set ${name} an hour`, async () => {
    const { presenter, nonce, quotes, nonceAt, setClock, tickAfter } = createTestPresenter()
    await tickAfter(0)
    nonce.height = 2n
    setClock(jumpMs)
    await tickAfter(299_999)
    assert.equal(quotes.count, 1)
    await tickAfter(1)
    assert.equal(quotes.count, 2)
    setClock(jumpMs)
    presenter.refused({ ...nonceAt(3n), timeMs: nonceAt(3n).timeMs + 10_000 })
    await tickAfter(4_999)
    assert.equal(quotes.count, 2)
    await tickAfter(1)
    assert.equal(quotes.count, 3)
  })

  test(`createPresenter: tries again five seconds after its platform failed, though its clock is set ${name} an hour`, async () => {
    const { shown, quotes, setClock, tickAfter } = createTestPresenter()
    quotes.isOut = true
    await tickAfter(0)
    quotes.isOut = false
    setClock(jumpMs)
    await tickAfter(4_999)
    assert.equal(quotes.count, 1)
    await tickAfter(1)
    assert.deepEqual([quotes.count, shown.length], [2, 1])
  })
}
