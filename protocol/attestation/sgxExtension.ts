import { AttestationError } from './attestationError.ts'
import { DER_TAG, type DerElement, DerReader } from './der.ts'

export class SgxExtensionError extends AttestationError<'SGX_EXTENSION_INVALID'> {
  constructor(message: string) {
    super('SGX_EXTENSION_INVALID', `${message}.`, {
      fix: 'Use the PCK certificate that Intel issued for this platform.',
    })
  }
}

/** What a PCK certificate says of its platform (Intel PCK certificate specification §1.3.5). */
export type SgxExtension = {
  /** 16 bytes; names the platform. */
  ppid: Uint8Array
  /** The sixteen SVN components that TCB levels are compared with. */
  tcbComponents: readonly number[]
  pceSvn: number
  /** 16 bytes. */
  cpuSvn: Uint8Array
  /** 2 bytes. */
  pceId: Uint8Array
  /** 6 bytes: family, model, stepping, platform and custom SKU, which choose the TCB info. */
  fmspc: Uint8Array
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  sgxType: number
}

/** Content of 1.2.840.113741.1.13.1, under which all fields stand; what follows it is the field's number. */
const PREFIX = Uint8Array.from([0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01])
const FIELD = { ppid: 1, tcb: 2, pceId: 3, fmspc: 4, sgxType: 5 } as const
/** Fields of the TCB: components 1 to 16, then these. */
const TCB_FIELD = { pceSvn: 17, cpuSvn: 18 } as const
const COMPONENT_COUNT = 16

/**
 * Decodes Intel's extension of a PCK certificate: each field once, of its size, in any order; the optional ones (platform
 * instance, configuration) are left to those who need them.
 *
 * @throws {SgxExtensionError} a field is missing, there twice, or of another size. @throws {DerError} not DER.
 */
export function decodeSgxExtension(value: Uint8Array): SgxExtension {
  const reader = new DerReader(value)
  const fields = readFields(reader.enter(DER_TAG.sequence), [])
  reader.finish()
  const tcb = readFields(field(fields, FIELD.tcb).enter(DER_TAG.sequence), [FIELD.tcb])
  const tcbComponents: number[] = []
  for (let i = 1; i <= COMPONENT_COUNT; i++) tcbComponents.push(field(tcb, i).readSmallUnsigned(255))
  return {
    ppid: readOctets(field(fields, FIELD.ppid), 16),
    tcbComponents,
    pceSvn: field(tcb, TCB_FIELD.pceSvn).readSmallUnsigned(65_535),
    cpuSvn: readOctets(field(tcb, TCB_FIELD.cpuSvn), COMPONENT_COUNT),
    pceId: readOctets(field(fields, FIELD.pceId), 2),
    fmspc: readOctets(field(fields, FIELD.fmspc), 6),
    sgxType: field(fields, FIELD.sgxType).readSmallUnsigned(255, DER_TAG.enumerated),
  }
}

/** Readers of the fields' values, by number. */
type Fields = readonly (DerReader | undefined)[]

/** A list of (object identifier, value), the identifiers being `PREFIX`, `path` and one number. */
function readFields(list: DerReader, path: readonly number[]): Fields {
  const fields: (DerReader | undefined)[] = []
  while (!list.isAtEnd) {
    const entry = list.enter(DER_TAG.sequence)
    const id = entry.readOid()
    const value = entry.read()
    entry.finish()
    const number = entry.bytes[id.end - 1]!
    if (!startsWith(entry.bytes, id, path) || number > 31)
      throw new SgxExtensionError('The SGX extension has a foreign field')
    if (fields[number]) throw new SgxExtensionError(`The SGX extension has field ${[...path, number].join('.')} twice`)
    fields[number] = new DerReader(entry.bytes, value.start, value.end)
  }
  return fields
}

function startsWith(bytes: Uint8Array, { contentStart, end }: DerElement, path: readonly number[]): boolean {
  if (end - contentStart !== PREFIX.length + path.length + 1) return false
  for (let i = 0; i < PREFIX.length; i++) if (bytes[contentStart + i] !== PREFIX[i]) return false
  for (let i = 0; i < path.length; i++) if (bytes[contentStart + PREFIX.length + i] !== path[i]) return false
  return true
}

function field(fields: Fields, number: number): DerReader {
  const found = fields[number]
  if (!found) throw new SgxExtensionError(`The SGX extension lacks field ${number}`)
  return found
}

function readOctets(value: DerReader, sizeBytes: number): Uint8Array {
  const bytes = value.content(value.read(DER_TAG.octetString))
  if (bytes.length !== sizeBytes) {
    throw new SgxExtensionError(`A field of the SGX extension has ${bytes.length} bytes, not ${sizeBytes}`)
  }
  return bytes
}
