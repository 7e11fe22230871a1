import { AttestationError } from './attestationError.ts'

export class TdAttributesError extends AttestationError<'TD_DEBUG' | 'TD_ATTRIBUTES_RESERVED'> {
  constructor(code: TdAttributesError['code'], message: string, fix: string) {
    super(code, `${message}.`, { fix })
  }
}

/** The attributes that a policy may ask for; the others must be off (Intel TDX DCAP quoting library, appendix A.3.4). */
export type TdAttributes = { septVeDisable: boolean; pks: boolean; kl: boolean; perfmon: boolean }

const BIT = { debug: 0, septVeDisable: 28, pks: 30, kl: 31, perfmon: 63 } as const
const KNOWN_BITS: ReadonlySet<number> = new Set(Object.values(BIT))

/**
 * Reads TDATTRIBUTES, 64 bits little-endian.
 *
 * @throws {TdAttributesError} `TD_DEBUG`: the host may look into the TD. `TD_ATTRIBUTES_RESERVED`: a bit without meaning here
 * is set (the rest of the TUD byte makes a TD as untrusted as DEBUG; MIGRATABLE lets another TD take it away).
 */
export function decodeTdAttributes(bytes: Uint8Array): TdAttributes {
  const isSet = (bit: number): boolean => ((bytes[bit >> 3]! >> (bit & 7)) & 1) === 1
  if (isSet(BIT.debug)) {
    throw new TdAttributesError('TD_DEBUG', 'The TD runs in debug mode', 'Launch the TD without the DEBUG attribute.')
  }
  for (let bit = 0; bit < 64; bit++) {
    if (isSet(bit) && !KNOWN_BITS.has(bit)) {
      const fix = 'Launch the TD without attributes other than SEPT_VE_DISABLE, PKS, KL and PERFMON.'
      throw new TdAttributesError('TD_ATTRIBUTES_RESERVED', `TD attribute bit ${bit} is set`, fix)
    }
  }
  return {
    septVeDisable: isSet(BIT.septVeDisable),
    pks: isSet(BIT.pks),
    kl: isSet(BIT.kl),
    perfmon: isSet(BIT.perfmon),
  }
}
