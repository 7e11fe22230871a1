import { decodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { type AbiField, array, bytes32, bytes32Array, encodeAbi } from '../../protocol/identity/abi.ts'
import { COMPONENT_KINDS, type ComponentKind } from '../../protocol/wire/chronicleEntry.ts'
import type { StateItem } from '../../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'
import { MalformedSnapshotError } from '../anchorCadence.ts'

/** Components that a Chronicle watches at the most, those that no config names any more included. */
export const COMPONENTS_MAX = 512

/** The config that was published last, as far as the next one is compared with it. */
export type PublishedCoalition = {
  coalitionId: Hex
  /** Stable ids, in the order of the config; so of the next. */
  lattices: readonly Hex[]
  organisms: readonly Hex[]
}

/** A component that a published config named: who decides for it, as far as it was recorded here. */
export type WatchedComponent = {
  kind: ComponentKind
  componentId: Hex
  epoch: bigint
  /** Of `epoch`. */
  committeeHash: Hex
  isRetired: boolean
}

/** What a Chronicle holds of its coalition. Made by `createAudit` alone, so that bytes and items are those of the rest. */
export type Audit = {
  published: PublishedCoalition
  /** By component key; at most COMPONENTS_MAX. */
  components: ReadonlyMap<Hex, WatchedComponent>
  /** `abi.encode` of all of it, the components in ascending order of their keys. */
  bytes: Uint8Array
  items: readonly StateItem[]
}

const PUBLISHED_TYPEHASH = deriveTypehash('PublishedCoalition(bytes32 coalitionId,bytes32 citizensHash)')
const COMPONENT_TYPEHASH = deriveTypehash('WatchedComponent(bytes32 component,bytes32 componentHash)')

/**
 * The state items are one for the config, which commits to all citizens, and one for each component: a commit hashes all items,
 * and a coalition has many citizens, whose membership the Atlas proves one by one.
 */
export function createAudit({ published, components }: Pick<Audit, 'published' | 'components'>): Audit {
  const citizens = [bytes32Array(published.lattices), bytes32Array(published.organisms)]
  const sorted = [...components].sort(([a], [b]) => (a < b ? -1 : 1))
  const words = ({ kind, componentId, epoch, committeeHash, isRetired }: WatchedComponent) =>
    [COMPONENT_KINDS.indexOf(kind) + 1, componentId, epoch, committeeHash, isRetired] as const
  const tuples = sorted.map(
    ([component, of]): AbiField => ({ isDynamic: false, bytes: packWords([component, ...words(of)]) }),
  )
  return {
    published,
    components,
    bytes: encodeAbi([bytes32(published.coalitionId), ...citizens, array(tuples)]),
    items: [
      { typehash: PUBLISHED_TYPEHASH, key: published.coalitionId, value: toHex(keccak256(encodeAbi(citizens))) },
      ...sorted.map(([component, of]) => createComponentItem(component, packWords(words(of)))),
    ],
  }
}

const createComponentItem = (component: Hex, words: Uint8Array): StateItem => ({
  typehash: COMPONENT_TYPEHASH,
  key: component,
  value: toHex(keccak256(words)),
})

const FIELDS = parseAbiParameters(
  'bytes32 coalitionId, bytes32[] lattices, bytes32[] organisms, (bytes32 component, uint8 kind, bytes32 componentId, uint64 epoch, bytes32 committeeHash, bool isRetired)[] components',
)

/** The exact inverse of `Audit.bytes`. @throws {MalformedSnapshotError} */
export function decodeAudit(bytes: Uint8Array): Audit {
  const [coalitionId, lattices, organisms, components] = decodeFields(bytes)
  if (components.length > COMPONENTS_MAX) throw new MalformedSnapshotError()
  const audit = createAudit({
    published: { coalitionId, lattices, organisms },
    components: new Map(
      components.map(({ component, kind, ...rest }) => [component, { kind: kindOf(kind), ...rest }] as const),
    ),
  })
  if (!isEqualBytes(audit.bytes, bytes)) throw new MalformedSnapshotError()
  return audit
}

function kindOf(number: number): ComponentKind {
  const kind = COMPONENT_KINDS[number - 1]
  if (kind === undefined) throw new MalformedSnapshotError()
  return kind
}

function decodeFields(bytes: Uint8Array) {
  try {
    return decodeAbiParameters(FIELDS, bytes)
  } catch {
    throw new MalformedSnapshotError()
  }
}
