import { z } from 'zod'
import type { Head } from '../chain/head.ts'
import { hexOf, uint64 } from '../protocol/wire/decodeJson.ts'

/** A head as JSON has it: numbers as decimal strings. */
export const HEAD_JSON = z.strictObject({
  committeeHash: hexOf(32),
  epoch: uint64,
  height: uint64,
  logSize: uint64,
  logRoot: hexOf(32),
  state: hexOf(32),
  timestampMs: uint64,
  anchorIndex: uint64,
  anchoredAt: uint64,
  retired: z.boolean(),
})

export const toHeadJson = (head: Head): Record<string, string | boolean> =>
  Object.fromEntries(
    Object.entries(head).map(([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value]),
  )
