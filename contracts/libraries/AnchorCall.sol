// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CommitHashing} from "./CommitHashing.sol";
import {ComponentKey} from "../types/ComponentKey.sol";

/// @notice The packed anchor is not of the size that its own counts say, or not alone in its call.
error AnchorCallMalformed();

uint256 constant FIXED_SIZE_BYTES = 304;
uint256 constant REASON_SIZE_BYTES_MAX = 256;

uint256 constant NEXT_NONE = 0;
uint256 constant NEXT_ROTATION = 1;
uint256 constant NEXT_RETIREMENT = 2;

/// @title AnchorCall
/// @notice Reads the one argument of `anchor`: all that the registry cannot know, once, with nothing between. `open` refuses
/// a call in which it does not stand where the ABI's canonical encoding puts it, so that each part has a fixed place.
/// @dev Bytes from the start of the argument; integers are big-endian:
///     0  32  component
///    32  32  previous.committeeHash
///    64  32  previous.logRoot
///    96  32  previous.state
///   128   8  previous.epoch (also the commit's)
///   136   8  previous.height
///   144   8  previous.logSize
///   152   8  previous.timestampMs
///   160   8  previous.anchorIndex
///   168   8  previous.anchoredAt
///   176  32  commit.body
///   208  32  commit.state
///   240   8  commit.height
///   248   8  commit.logSize
///   256   8  commit.timestampMs
///   264   4  certificate.round
///   268   1  n − 1, of n members
///   269   1  q − 1, of q signatures
///   270   1  p nodes of the consistency proof
///   271   1  what `commit.next` commits to: 0 nothing, 1 a rotation, 2 a retirement marker
///   272  32  details of the committee
///   304      bitmap of signers, ⌈n/8⌉ bytes
///     …      q signatures of 64 bytes (EIP-2098)
///     …      n − q absentees of 20 bytes
///     …      p nodes of 32 bytes; from an empty log, where there is no proof, one: the new root
///     …      with 1: 32 bytes, the new committee's hash
///            with 2: 32 bytes, the successor, then the reason, 0 to 256 bytes
/// What follows from the rest is left out: `commit.logRoot` is where the proof leads, `commit.epoch` is the previous
/// head's, `commit.anchor` is true, `commit.next` hashes what stands at the end. A commit that was otherwise has
/// another digest, which no quorum signed.
library AnchorCall {
    /// @dev Where the argument starts: after the selector, its offset and its length.
    uint256 private constant START = 68;

    /// @notice Refuses a call that is not the canonical ABI encoding of this one argument (nothing between, nothing after,
    /// zeros as padding), or whose counts do not add up to its size.
    /// @return proof The nodes of the consistency proof.
    /// @return next What `commit.next` commits to.
    function open(bytes calldata packed) internal pure returns (bytes32[] calldata proof, bytes calldata next) {
        uint256 start;
        uint256 padding;
        // Assembly, because Solidity has no other name for where a calldata slice stands. It reads the word after it,
        // and beyond the end calldata reads as zero: so the word is zero exactly when the padding is.
        assembly ("memory-safe") {
            start := packed.offset
            padding := calldataload(add(packed.offset, packed.length))
        }
        // Counts are single bytes and sizes are below 2^64, so nothing comes near 2^256. The one difference that can be
        // negative, the count of absentees, is refused for its high bits.
        unchecked {
            uint256 nodeCount = uint8(_word(240) >> 8);
            uint256 absentCount = memberCount() - signatureCount();
            uint256 proofAt = absenteesAt() + 20 * absentCount;
            uint256 nextAt = proofAt + (nodeCount << 5);
            uint256 end = START + packed.length;
            // Any bit set is a flaw.
            uint256 flaws =
                (start ^ START) |
                    (msg.data.length ^ (START + ((packed.length + 31) & ~uint256(31)))) |
                    padding |
                    (absentCount >> 8);
            if (flaws != 0 || nextAt > end) revert AnchorCallMalformed();
            // Assembly, because Solidity cannot cast a slice of bytes to a slice of words. Both lie inside `packed`.
            assembly ("memory-safe") {
                proof.offset := proofAt
                proof.length := nodeCount
                next.offset := nextAt
                next.length := sub(end, nextAt)
            }
        }
    }

    function component() internal pure returns (ComponentKey) {
        return ComponentKey.wrap(bytes32(_word(0)));
    }

    /// @return hash Digest of the previous head: keccak-256 of its five words. Never retired: nothing extends such a head.
    function previousDigest() internal pure returns (bytes32 hash) {
        // Assembly, because a struct would be zeroed and filled word by word before it is hashed. Safe: writes only beyond
        // the free memory pointer.
        assembly ("memory-safe") {
            let words := mload(0x40)
            calldatacopy(words, add(START, 32), 0x80)
            mstore(add(words, 0x80), shr(128, calldataload(add(START, 160))))
            hash := keccak256(words, 0xa0)
        }
    }

    /// @param logRoot Where the consistency proof leads.
    /// @param next What the commit decides: zero or a hashStruct.
    /// @return hash Digest of the commit: its EIP-712 hashStruct, as `CommitHashing.hashCommit` has it.
    function commitDigest(bytes32 logRoot, bytes32 next) internal pure returns (bytes32 hash) {
        bytes32 typehash = CommitHashing.COMMIT_TYPEHASH;
        uint256 numbers = _word(240);
        // Assembly, because a struct would be allocated, filled and copied before it is hashed. Safe: writes only beyond
        // the free memory pointer.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typehash)
            mstore(add(words, 0x20), calldataload(START))
            mstore(add(words, 0x40), shr(192, calldataload(add(START, 128)))) // epoch
            mstore(add(words, 0x60), shr(192, numbers)) // height
            mstore(add(words, 0x80), calldataload(add(START, 176))) // body
            mstore(add(words, 0xa0), and(shr(128, numbers), 0xffffffffffffffff)) // logSize
            mstore(add(words, 0xc0), logRoot)
            mstore(add(words, 0xe0), calldataload(add(START, 208))) // state
            mstore(add(words, 0x100), and(shr(64, numbers), 0xffffffffffffffff)) // timestampMs
            mstore(add(words, 0x120), 1) // anchor
            mstore(add(words, 0x140), next)
            hash := keccak256(words, 0x160)
        }
    }

    function previousCommitteeHash() internal pure returns (bytes32) {
        return bytes32(_word(32));
    }

    function previousLogRoot() internal pure returns (bytes32) {
        return bytes32(_word(64));
    }

    /// @return Of the previous head, and so of the commit.
    function epoch() internal pure returns (uint64) {
        return uint64(_word(128) >> 192);
    }

    function previousHeight() internal pure returns (uint64) {
        return uint64(_word(128) >> 128);
    }

    function previousLogSize() internal pure returns (uint64) {
        return uint64(_word(128) >> 64);
    }

    function previousAnchorIndex() internal pure returns (uint64) {
        return uint64(_word(160) >> 192);
    }

    function state() internal pure returns (bytes32) {
        return bytes32(_word(208));
    }

    function height() internal pure returns (uint64) {
        return uint64(_word(240) >> 192);
    }

    function logSize() internal pure returns (uint64) {
        return uint64(_word(240) >> 128);
    }

    function timestampMs() internal pure returns (uint64) {
        return uint64(_word(240) >> 64);
    }

    /// @return The new head's `PackedHead.progress`, in the commit's epoch.
    function progress() internal pure returns (uint256) {
        return ((_word(128) >> 192) << 192) | (_word(240) >> 64);
    }

    function round() internal pure returns (uint32) {
        return uint32(_word(240) >> 32);
    }

    /// @return One of `NEXT_NONE`, `NEXT_ROTATION` and `NEXT_RETIREMENT`, or a number that means nothing.
    function nextKind() internal pure returns (uint256) {
        return uint8(_word(240));
    }

    function details() internal pure returns (bytes32) {
        return bytes32(_word(272));
    }

    /// @return n, 1 to 256.
    function memberCount() internal pure returns (uint256) {
        // A byte, and one.
        unchecked {
            return uint256(uint8(_word(240) >> 24)) + 1;
        }
    }

    /// @return q, 1 to n.
    function signatureCount() internal pure returns (uint256) {
        // A byte, and one.
        unchecked {
            return uint256(uint8(_word(240) >> 16)) + 1;
        }
    }

    /// @return Bit i: the member at place i signed. The bits that fill the last byte are among them.
    function signers() internal pure returns (uint256) {
        // At most 32 bytes of 8 bits.
        unchecked {
            return _word(FIXED_SIZE_BYTES) >> (256 - ((memberCount() + 7) & ~uint256(7)));
        }
    }

    /// @return Calldata position of the first signature.
    function signaturesAt() internal pure returns (uint256) {
        // 256 members at most.
        unchecked {
            return START + FIXED_SIZE_BYTES + ((memberCount() + 7) >> 3);
        }
    }

    /// @return Calldata position of the first absentee.
    function absenteesAt() internal pure returns (uint256) {
        // 256 signatures of 64 bytes at most.
        unchecked {
            return signaturesAt() + (signatureCount() << 6);
        }
    }

    /// @dev The word at `offset` of the argument.
    function _word(uint256 offset) private pure returns (uint256 word) {
        // Assembly, because Solidity reads calldata only through a slice, with a bounds check each time. `open` has
        // checked that all of it is there, and beyond the end calldata reads as zero.
        assembly ("memory-safe") {
            word := calldataload(add(START, offset))
        }
    }
}
