import { assertHex, type Hex, InvalidHexError } from '../bytes.ts'

const ORIGIN_PREFIX = 'coalition/'

/**
 * Origin of a component's log, and the name of every member's note key (spec §6): `coalition/` and 64 hex digits.
 *
 * @throws {InvalidHexError} the component key is not 32 bytes of lower-case hex.
 */
export function encodeLogOrigin(componentKey: Hex): string {
  assertHex(componentKey, { field: 'componentKey', sizeBytes: 32 })
  return ORIGIN_PREFIX + componentKey.slice(2)
}

/** The component key that `origin` names. @throws {InvalidHexError} it is not `coalition/` and 64 hex digits. */
export function decodeLogOrigin(origin: string): Hex {
  const componentKey = `0x${origin.slice(ORIGIN_PREFIX.length)}`
  const expected = `${ORIGIN_PREFIX} and 64 lower-case hex digits`
  if (!origin.startsWith(ORIGIN_PREFIX)) throw new InvalidHexError({ field: 'origin', expected })
  assertHex(componentKey, { field: 'origin', sizeBytes: 32 })
  return componentKey
}
