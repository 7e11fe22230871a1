/** A registry that is wrong in one way, and the one invariant that must notice. */
export type PlantedFault = {
  invariant: string
  /** The file that is changed, and each text that is replaced in it. */
  source: string
  edits: readonly (readonly [from: string, to: string])[]
}

const REGISTRY = 'contracts/ComponentRegistry.sol'

/** One for each invariant of test/fuzz/; the first two are planted in every run of the tests. */
export const PLANTED_FAULTS: readonly PlantedFault[] = [
  {
    invariant: 'logOnlyGrows',
    source: 'contracts/libraries/Rfc9162.sol',
    edits: [['if (computed != oldRoot) revert Rfc9162RootMismatch(oldRoot, computed);', '']],
  },
  {
    invariant: 'onlyQuorumSpeaks',
    source: 'contracts/libraries/Certificates.sol',
    edits: [
      ['if (signatureCount < quorumOf(memberCount)) revert CertificatesNoQuorum(memberCount, signatureCount);', ''],
    ],
  },
  {
    invariant: 'retiredIsFinal',
    source: REGISTRY,
    edits: [
      [
        '_requireNewest(component, ring, anchorIndex, A',
        'if (!isRetired(component)) _requireNewest(component, ring, anchorIndex, A',
      ],
    ],
  },
  {
    invariant: 'componentsAreApart',
    source: REGISTRY,
    edits: [['emit Retired(', '_retirements[successor] = _retirements[component]; emit Retired(']],
  },
  {
    invariant: 'epochsCertificatesDie',
    source: REGISTRY,
    edits: [['if (commit.epoch != head.epoch) revert ComponentRegistryOtherEpoch(head.epoch, commit.epoch);', '']],
  },
  {
    invariant: 'registerNeverResets',
    source: REGISTRY,
    edits: [['if (!(ring.read(0) == EMPTY_RING_WORD)) return component;', '']],
  },
  {
    invariant: 'windowHeadVerifiesEvictedDoesNot',
    source: REGISTRY,
    edits: [
      [
        'return _rings[component].read(head.anchorIndex) == Rings.toRingWord(head.anchorIndex, head.digest());',
        'return _isNewest(_rings[component], head.anchorIndex, head.digest());',
      ],
    ],
  },
  {
    // The packed form has no room for the mark; a fault that reads it from there takes a bit that means nothing else.
    invariant: 'onlyMarkedCommitsAnchor',
    source: 'contracts/libraries/AnchorCall.sol',
    edits: [
      ['mstore(add(words, 0x120), 1)', 'mstore(add(words, 0x120), iszero(and(numbers, 0x80)))'],
      ['return uint8(_word(240));', 'return uint8(_word(240)) & 0x7f;'],
    ],
  },
]
