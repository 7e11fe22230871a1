import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { decodeAtlasParameters, encodeAtlasParameters } from '../../protocol/wire/atlasParameters.ts'
import { MalformedSnapshotError, restoreAnchoring, snapshotAnchoring } from '../anchorCadence.ts'
import { type AtlasState, type Citizen, toPublishedCard } from './machine.ts'

const FIELDS = parseAbiParameters(
  'bytes parameters, bytes anchoring, (bytes32 citizen, address cardSigner, bool isListed, uint64 sequence, bytes card)[] citizens',
)

/** `abi.encode` of the parameters, of where the anchors stand, and of the citizens in ascending order; no card: no bytes. */
export const encodeAtlasSnapshot = ({ parameters, anchoring, citizens }: AtlasState): Uint8Array =>
  fromHex(
    encodeAbiParameters(FIELDS, [
      toHex(encodeAtlasParameters(parameters)),
      toHex(snapshotAnchoring(anchoring)),
      [...citizens]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([citizen, { card, ...rest }]) => ({ citizen, ...rest, card: toHex(card?.bytes ?? new Uint8Array(0)) })),
    ]),
  )

/** The exact inverse of `encodeAtlasSnapshot`. @throws {MalformedSnapshotError} and what decoding parameters and cards throws. */
export function decodeAtlasSnapshot(bytes: Uint8Array): AtlasState {
  const [parameters, anchoring, citizens] = decodeFields(bytes)
  const state: AtlasState = {
    parameters: decodeAtlasParameters(fromHex(parameters)),
    anchoring: restoreAnchoring(fromHex(anchoring)),
    citizens: new Map(
      citizens.map(({ citizen, cardSigner, isListed, sequence, card }): [Hex, Citizen] => [
        citizen,
        {
          cardSigner: cardSigner.toLowerCase() as Hex,
          isListed,
          sequence,
          card: card === '0x' ? undefined : toPublishedCard(fromHex(card)),
        },
      ]),
    ),
  }
  if (!isEqualBytes(encodeAtlasSnapshot(state), bytes)) throw new MalformedSnapshotError()
  return state
}

function decodeFields(bytes: Uint8Array) {
  try {
    return decodeAbiParameters(FIELDS, bytes)
  } catch {
    throw new MalformedSnapshotError()
  }
}
