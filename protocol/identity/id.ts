import { fromHex, toHex, type UniqueId } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import { type AbiField, encodeAbi } from './abi.ts'

/** The first byte of every `id` preimage, and the only schema version there is (spec §3). */
export const SCHEMA_VERSION_U8 = 1

const utf8 = new TextEncoder()

/** `blake3(0x01 ‖ utf8(tag) ‖ "|" ‖ abi.encode(fields…))` (spec §3). `tag` is fixed ASCII words without "|". */
export function deriveId(tag: string, fields: readonly AbiField[]): UniqueId {
  const prefix = utf8.encode(`\u0001${tag}|`)
  const preimage = encodeAbi(fields, { prefixSizeBytes: prefix.length })
  preimage.set(prefix)
  return toHex(blake3(preimage))
}

/** `blake3(id ‖ utf8(label))`: mosaik's `UniqueId::derive` (spec §3). */
export function derive(id: UniqueId, label: string): UniqueId {
  const suffix = utf8.encode(label)
  const preimage = new Uint8Array(32 + suffix.length)
  preimage.set(fromHex(id))
  preimage.set(suffix, 32)
  return toHex(blake3(preimage))
}

/** mosaik's universe: what a standalone organism's stable id stands under (spec §3). */
export const UNIVERSE: UniqueId = toHex(blake3(utf8.encode('mosaik.universe')))
