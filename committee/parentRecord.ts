import { fromHex, type Hex, toHex } from '../protocol/bytes.ts'
import { ADDRESSES_MAX } from '../protocol/wire/addressList.ts'
import { createAbiReader, createAbiWriter } from './abi.ts'
import { ENCODED_EXTENSION_SIZE_MAX_BYTES } from './extension.ts'
import { MalformedMessageError } from './malformedMessage.ts'
import type { Parent } from './state.ts'

const ADDRESS_SIZE_BYTES = 20

/**
 * What the next height needs of the newest commit and no state says: the vote extensions that its proposal carries, and
 * the committee that signed them, which may be the one of the epoch before.
 */
export type ParentRecord = Pick<Parent, 'signers' | 'extensions'>

/** `abi.encode(bytes signers, bytes[] extensions)`, addresses one after the other. */
export const encodeParentRecord = ({ signers, extensions }: ParentRecord): Uint8Array =>
  createAbiWriter()
    .bytes(fromHex(`0x${signers.map((signer) => signer.slice(2)).join('')}`))
    .bytesList(extensions)
    .finish()

/** @throws {MalformedMessageError} not exactly what `encodeParentRecord` gives. */
export function decodeParentRecord(bytes: Uint8Array): ParentRecord {
  const reader = createAbiReader(bytes, { headWords: 2 })
  const addresses = reader.bytes({ sizeMaxBytes: ADDRESSES_MAX * ADDRESS_SIZE_BYTES })
  const extensions = reader.bytesList({ countMax: ADDRESSES_MAX, sizeMaxBytes: ENCODED_EXTENSION_SIZE_MAX_BYTES })
  reader.end()
  if (addresses.length % ADDRESS_SIZE_BYTES !== 0) {
    throw new MalformedMessageError({ reason: 'its committee is no list of addresses' })
  }
  const signers = Array.from({ length: addresses.length / ADDRESS_SIZE_BYTES }, (_, index): Hex => {
    const from = index * ADDRESS_SIZE_BYTES
    return toHex(addresses.subarray(from, from + ADDRESS_SIZE_BYTES))
  })
  return { signers, extensions }
}
