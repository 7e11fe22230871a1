import { type Hex, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'
import { ZERO_BYTES32 } from './commit.ts'
import { deriveTypehash, hashStruct } from './typedData.ts'

/** The committee of the next epoch: what `Commit.next` commits to when a membership changes (spec §4). */
export type Rotation = { component: Hex; newEpoch: bigint; newCommitteeHash: Hex }

/** A component's last word (spec §9). */
export type RetirementMarker = {
  component: Hex
  /** Component key of what takes its place, or zero. */
  successor: Hex
  /** Height of the commit that decides it; uint64. */
  effectiveHeight: bigint
  reason: string
}

/** Whoever binds to a retired component is told what takes its place (spec §9). */
export class ComponentRetiredError extends CoalitionError {
  /** Component key, or zero where nothing takes its place. */
  readonly successor: Hex

  constructor({ component, successor, effectiveHeight, reason }: RetirementMarker) {
    const said = reason === '' ? '' : ` (${JSON.stringify(reason)})`
    super(
      'COMPONENT_RETIRED',
      `Component ${component} retired at height ${effectiveHeight}${said}; its successor: ${describeSuccessor(successor)}.`,
      {
        fix: 'Bind to the successor, where there is one; what the component logged stays verifiable.',
        kind: 'refused',
      },
    )
    this.successor = successor
  }
}

/** For people, to whom a key of zeros would look like somebody's. */
export const describeSuccessor = (successor: Hex): string => (successor === ZERO_BYTES32 ? 'none' : successor)

export const ROTATION_TYPEHASH: Hex = deriveTypehash(
  'Rotation(bytes32 component,uint64 newEpoch,bytes32 newCommitteeHash)',
)
export const RETIREMENT_MARKER_TYPEHASH: Hex = deriveTypehash(
  'RetirementMarker(bytes32 component,bytes32 successor,uint64 effectiveHeight,string reason)',
)

/** EIP-712 `hashStruct`, 32 bytes. */
export const hashRotation = ({ component, newEpoch, newCommitteeHash }: Rotation): Hex =>
  hashStruct(ROTATION_TYPEHASH, [component, newEpoch, newCommitteeHash])

/** EIP-712 `hashStruct`, 32 bytes. */
export const hashRetirementMarker = ({ component, successor, effectiveHeight, reason }: RetirementMarker): Hex =>
  hashStruct(RETIREMENT_MARKER_TYPEHASH, [
    component,
    successor,
    effectiveHeight,
    toHex(keccak256(new TextEncoder().encode(reason))),
  ])
