import { z } from 'zod'
import { type Hex, isHex } from '../bytes.ts'
import type { CoalitionError } from '../errors.ts'

/** A member of JSON that is so many bytes, in lower-case hex. */
export const hexOf = (sizeBytes: number) =>
  z.custom<Hex>((value) => isHex(value, sizeBytes), `not ${sizeBytes} bytes of hex`)

/** A member of JSON that is a uint64, as a decimal string: a JSON number holds no more than 53 bits. */
export const uint64 = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,19})$/, 'not a decimal uint64')
  .transform(BigInt)
  .refine((value) => value < 1n << 64n, 'above 2^64 − 1')

/** For `JSON.stringify`: numbers of the wire as `uint64` reads them. */
export const toDecimal = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value

/** Decodes the JSON of a `shape`. @throws what `refuse` makes of the first thing that is wrong, by the name of its member. */
export function decodeJson<Shape extends z.ZodType>(
  text: string,
  { shape, refuse }: { shape: Shape; refuse(reason: string): CoalitionError },
): z.output<Shape> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw refuse('it is not JSON')
  }
  const parsed = shape.safeParse(json)
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0]!
  throw refuse(`${path.join('.') || 'it'}: ${message}`)
}
