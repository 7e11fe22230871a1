import { assertHex, type Hex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'

/** How many addresses a committee, or a list of submitters, may have (spec §5.1). */
export const ADDRESSES_MAX = 256
const ZERO_ADDRESS: Hex = `0x${'00'.repeat(20)}`

export class AddressCountError extends CoalitionError {
  constructor({ field, count }: { field: string; count: number }) {
    super('ADDRESS_COUNT', `${field} lists ${count} addresses.`, {
      fix: `List at least one address and at most ${ADDRESSES_MAX}.`,
    })
  }
}

export class ZeroAddressError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('ZERO_ADDRESS', `${field} is the zero address.`, {
      fix: 'Give an address whose key somebody holds: nobody can sign for the zero address.',
    })
  }
}

export class AddressesOutOfOrderError extends CoalitionError {
  constructor({ field, sorted }: { field: string; sorted: readonly Hex[] }) {
    super('ADDRESSES_OUT_OF_ORDER', `${field} does not follow the address before it.`, {
      fix: `List each address once, in ascending order: ${sorted.join(', ')}.`,
    })
  }
}

/**
 * One list for each set of addresses: 1 to 256, lower-case, non-zero, strictly ascending (spec §5.1).
 *
 * @param options.field names one address by its index in an error: `members[3].signer`.
 * @throws {AddressCountError} none, or too many.
 * @throws {InvalidHexError} not 20 bytes of lower-case hex.
 * @throws {ZeroAddressError} the zero address.
 * @throws {AddressesOutOfOrderError} out of order, or one twice.
 */
export function assertAddressList(
  addresses: readonly Hex[],
  options: { list: string; field: (index: number) => string },
): void {
  const { list, field } = options
  if (addresses.length < 1 || addresses.length > ADDRESSES_MAX) {
    throw new AddressCountError({ field: list, count: addresses.length })
  }
  addresses.forEach((address, index) => {
    assertHex(address, { field: field(index), sizeBytes: 20 })
    if (address === ZERO_ADDRESS) throw new ZeroAddressError({ field: field(index) })
  })
  // Lower-case hex of one length sorts as the numbers it spells.
  const misplaced = addresses.findIndex((address, index) => index > 0 && address <= addresses[index - 1]!)
  if (misplaced < 0) return
  throw new AddressesOutOfOrderError({ field: field(misplaced), sorted: [...new Set(addresses)].sort() })
}
