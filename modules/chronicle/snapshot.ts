import { decodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { bytes, bytes32, encodeAbi } from '../../protocol/identity/abi.ts'
import { decodeChronicleParameters, encodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import { deriveTypehash } from '../../protocol/wire/typedData.ts'
import { ANCHORING_SIZE_BYTES, MalformedSnapshotError, restoreAnchoring, snapshotAnchoring } from '../anchorCadence.ts'
import { decodeAudit } from './audit.ts'
import type { ChronicleState } from './machine.ts'

/** No height is as large as this: what begins with it is of the second form. */
const AUDITED_TYPEHASH: Hex = deriveTypehash('AuditedChronicle(bytes chronicle,bytes audit)')
const AUDITED_FIELDS = parseAbiParameters('bytes32 typehash, bytes chronicle, bytes audit')

/**
 * Where anchors stand and the parameters, as ever; once a config was published, `abi.encode(AUDITED_TYPEHASH, those bytes, the
 * audit’s)`. Stores of before there were publications hold the first form.
 */
export function encodeChronicleSnapshot({ parameters, anchoring, audit }: ChronicleState): Uint8Array {
  const plain = new Uint8Array([...snapshotAnchoring(anchoring), ...encodeChronicleParameters(parameters)])
  return audit === undefined ? plain : encodeAbi([bytes32(AUDITED_TYPEHASH), bytes(plain), bytes(audit.bytes)])
}

/** The exact inverse of `encodeChronicleSnapshot`. @throws {MalformedSnapshotError} and what decoding parameters throws. */
export function decodeChronicleSnapshot(snapshot: Uint8Array): ChronicleState {
  const [plain, auditBytes] = splitSnapshot(snapshot)
  const state: ChronicleState = {
    anchoring: restoreAnchoring(plain),
    parameters: decodeChronicleParameters(plain.subarray(ANCHORING_SIZE_BYTES)),
    audit: auditBytes && decodeAudit(auditBytes),
  }
  if (!isEqualBytes(encodeChronicleSnapshot(state), snapshot)) throw new MalformedSnapshotError()
  return state
}

function splitSnapshot(snapshot: Uint8Array): [plain: Uint8Array, audit?: Uint8Array] {
  if (toHex(snapshot.subarray(0, 32)) !== AUDITED_TYPEHASH) return [snapshot]
  try {
    const [, plain, audit] = decodeAbiParameters(AUDITED_FIELDS, snapshot)
    return [fromHex(plain), fromHex(audit)]
  } catch {
    throw new MalformedSnapshotError()
  }
}
