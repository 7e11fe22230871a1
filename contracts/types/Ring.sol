// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One storage word of a component's ring of recent heads: `uint32 lap ‖ 224-bit digest` (spec §7.2).
/// @dev The head of anchor index i stands at position i mod WINDOW_HEADS with lap 1 + i div WINDOW_HEADS, until the head
/// of index i + WINDOW_HEADS takes its place. Laps count from 1, so that the empty word belongs to none: counted from 0,
/// it would look like a word of the first lap. The digest is the first 224 bits of the head's keccak-256: a corrupt
/// quorum chooses what it hashes, so a shorter one would let it prepare two heads of one digest.
type RingWord is bytes32;

// Heads of a component that verify at any time: the newest, and those before it in the ring.
uint256 constant WINDOW_HEADS = 8;

// The greatest anchor index that a uint32 lap can hold. The anchor after it is refused, or laps would repeat.
uint256 constant ANCHOR_INDEX_MAX = (2 ** 32 - 1) * WINDOW_HEADS - 1;

// What stands at a position before its first lap.
RingWord constant EMPTY_RING_WORD = RingWord.wrap(0);

using {isWord as ==} for RingWord global;

function isWord(RingWord a, RingWord b) pure returns (bool) {
    return RingWord.unwrap(a) == RingWord.unwrap(b);
}

/// @notice A component's ring. Position i mod WINDOW_HEADS is storage slot `ring.slot + i mod WINDOW_HEADS`.
struct Ring {
    RingWord[WINDOW_HEADS] words;
}

using Rings for Ring global;

/// @title Rings
/// @notice Reads and writes a ring by anchor index.
library Rings {
    /// @return The word of a head; truncates the lap of an anchor index beyond ANCHOR_INDEX_MAX, which no head has.
    function toRingWord(uint256 anchorIndex, bytes32 headDigest) internal pure returns (RingWord) {
        return RingWord.wrap(bytes32((_lapOf(anchorIndex) << 224) | (uint256(headDigest) >> 32)));
    }

    /// @return word What stands at the position that `anchorIndex` has.
    function read(Ring storage ring, uint256 anchorIndex) internal view returns (RingWord word) {
        uint256 position = anchorIndex % WINDOW_HEADS;
        // Assembly, because Solidity checks the index and masks the whole word. The position is inside the ring.
        assembly ("memory-safe") {
            word := sload(add(ring.slot, position))
        }
    }

    /// @notice Writes the word of `anchorIndex`, over that of the lap before.
    function write(Ring storage ring, uint256 anchorIndex, RingWord word) internal {
        uint256 position = anchorIndex % WINDOW_HEADS;
        // Assembly, because Solidity reads the old word first, though the new one fills the slot. Position as above.
        assembly ("memory-safe") {
            sstore(add(ring.slot, position), word)
        }
    }

    /// @return Whether a head of `anchorIndex` stands in the ring.
    function hasReached(Ring storage ring, uint256 anchorIndex) internal view returns (bool) {
        return uint256(RingWord.unwrap(ring.read(anchorIndex))) >> 224 == _lapOf(anchorIndex);
    }

    function _lapOf(uint256 anchorIndex) private pure returns (uint256) {
        // A quotient by eight, and one.
        unchecked {
            return anchorIndex / WINDOW_HEADS + 1;
        }
    }
}
