// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the chain knows of a component after one anchor (spec §7.2). Storage holds only its digest; whoever
/// calls brings the head itself, from the event that announced it.
struct Head {
    /// Who may certify what anchors next.
    bytes32 committeeHash;
    /// Epoch of that committee.
    uint64 epoch;
    /// Height of the anchored commit; 0 at registration.
    uint64 height;
    /// Leaves under `logRoot`.
    uint64 logSize;
    /// RFC 9162 root; that of the empty log at registration.
    bytes32 logRoot;
    /// State root; zero at registration.
    bytes32 state;
    /// The commit's own time, in milliseconds since the Unix epoch; 0 at registration.
    uint64 timestampMs;
    /// 0 at registration, then one more each anchor.
    uint64 anchorIndex;
    /// Time of the anchoring block, in seconds since the Unix epoch.
    uint64 anchoredAt;
    /// Whether this head is the component's last, for good.
    bool retired;
}

/// @notice A head's number is beyond 64 bits, or its flag neither 0 nor 1.
error HeadMalformed();

/// @notice A head in five words: what is hashed, and what an event carries.
/// @dev
///   word 0  committeeHash
///   word 1  logRoot
///   word 2  state
///   word 3  uint64 epoch ‖ uint64 height ‖ uint64 logSize ‖ uint64 timestampMs
///   word 4  127 zero bits ‖ 1 bit retired ‖ uint64 anchorIndex ‖ uint64 anchoredAt
struct PackedHead {
    bytes32 committeeHash;
    bytes32 logRoot;
    bytes32 state;
    uint256 progress;
    uint256 place;
}

using Heads for Head global;
using Heads for PackedHead global;

/// @title Heads
/// @notice From a head to its five words, and to their digest.
library Heads {
    /// @return hash keccak-256 of the five words. Refuses a number or flag with dirty padding, which would run into its
    /// neighbour.
    function digest(Head calldata head) internal pure returns (bytes32 hash) {
        bool isClean;
        // Assembly, because Solidity would read and check the ten words one by one and copy the five twice. Safe: writes
        // only beyond the free memory pointer.
        assembly ("memory-safe") {
            let epoch := calldataload(add(head, 0x20))
            let height := calldataload(add(head, 0x40))
            let logSize := calldataload(add(head, 0x60))
            let timestampMs := calldataload(add(head, 0xc0))
            let anchorIndex := calldataload(add(head, 0xe0))
            let anchoredAt := calldataload(add(head, 0x100))
            let retired := calldataload(add(head, 0x120))
            let numbers := or(or(or(epoch, height), or(logSize, timestampMs)), or(anchorIndex, anchoredAt))
            isClean := iszero(or(shr(64, numbers), shr(1, retired)))

            let words := mload(0x40)
            mstore(words, calldataload(head))
            calldatacopy(add(words, 0x20), add(head, 0x80), 0x40)
            mstore(add(words, 0x60), or(or(shl(192, epoch), shl(128, height)), or(shl(64, logSize), timestampMs)))
            mstore(add(words, 0x80), or(or(shl(128, retired), shl(64, anchorIndex)), anchoredAt))
            hash := keccak256(words, 0xa0)
        }
        if (!isClean) revert HeadMalformed();
    }

    /// @return hash keccak-256 of the five words.
    function digest(PackedHead memory head) internal pure returns (bytes32 hash) {
        // Assembly, because `keccak256(abi.encode(head))`, which is the same, copies the five words first. It only reads.
        assembly ("memory-safe") {
            hash := keccak256(head, 0xa0)
        }
    }

    /// @notice Hands the component to another committee, with the next epoch.
    function rotateTo(PackedHead memory head, bytes32 newCommitteeHash) internal pure {
        head.committeeHash = newCommitteeHash;
        head.progress += 1 << 192;
    }

    /// @notice Makes the head its component's last.
    function retire(PackedHead memory head) internal pure {
        head.place |= 1 << 128;
    }
}
