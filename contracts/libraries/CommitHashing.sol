// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Commit} from "../types/Commit.sol";
import {RetirementMarker} from "../types/RetirementMarker.sol";
import {Rotation} from "../types/Rotation.sol";

/// @notice A commit's number is beyond 64 bits, or its flag neither 0 nor 1.
error CommitMalformed();

/// @title CommitHashing
/// @notice The typed data (EIP-712) that a committee signs (spec §4). Pure, and of use to any contract on its own.
/// @dev The domain is `{ name: "coalition", version: "1" }`: no chain id and no contract, because a commit is a fact that
/// may be shown on many chains. So a digest from here says nothing about *where*: the component key in it does.
library CommitHashing {
    bytes32 internal constant COMMIT_TYPEHASH = keccak256(
        "Commit(bytes32 component,uint64 epoch,uint64 height,bytes32 body,uint64 logSize,bytes32 logRoot,bytes32 state,uint64 timestampMs,bool anchor,bytes32 next)"
    );
    bytes32 internal constant PRECOMMIT_TYPEHASH = keccak256(
        "Precommit(Commit commit,uint32 round)Commit(bytes32 component,uint64 epoch,uint64 height,bytes32 body,uint64 logSize,bytes32 logRoot,bytes32 state,uint64 timestampMs,bool anchor,bytes32 next)"
    );
    bytes32 internal constant ROTATION_TYPEHASH = keccak256(
        "Rotation(bytes32 component,uint64 newEpoch,bytes32 newCommitteeHash)"
    );
    bytes32 internal constant RETIREMENT_MARKER_TYPEHASH = keccak256(
        "RetirementMarker(bytes32 component,bytes32 successor,uint64 effectiveHeight,string reason)"
    );

    /// keccak256(abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("coalition"), keccak256("1"))),
    /// spelled out because the compiler would compute it in every call.
    bytes32 internal constant DOMAIN_SEPARATOR = 0xc3e9e606c60329c750f4f4635c9601cbef9934482b3f026bad26f64d1879a0e6;

    /// @return digest A commit's digest: its EIP-712 hashStruct, keccak256(abi.encode(COMMIT_TYPEHASH, commit)). Refuses a
    /// number or flag with dirty padding, which no encoder makes.
    function hashCommit(Commit calldata commit) internal pure returns (bytes32 digest) {
        bytes32 typehash = COMMIT_TYPEHASH;
        bool isClean;
        // Assembly, because Solidity would read, check and store the ten words one by one. Safe: writes only beyond the
        // free memory pointer.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typehash)
            calldatacopy(add(words, 0x20), commit, 0x140)
            digest := keccak256(words, 0x160)
            // epoch, height, logSize and timestampMs; then anchor.
            let numbers := or(
                or(mload(add(words, 0x40)), mload(add(words, 0x60))),
                or(mload(add(words, 0xa0)), mload(add(words, 0x100)))
            )
            isClean := iszero(or(shr(64, numbers), shr(1, mload(add(words, 0x120)))))
        }
        if (!isClean) revert CommitMalformed();
    }

    /// @param commitDigest What `hashCommit` gave.
    /// @return digest What each member signed to precommit that commit in that round:
    /// keccak256(0x1901 ‖ DOMAIN_SEPARATOR ‖ keccak256(abi.encode(PRECOMMIT_TYPEHASH, commitDigest, round))).
    function precommitDigest(bytes32 commitDigest, uint32 round) internal pure returns (bytes32 digest) {
        bytes32 typehash = PRECOMMIT_TYPEHASH;
        bytes32 separator = DOMAIN_SEPARATOR;
        // Assembly, because the two encodings would be copied three times. Safe: writes only beyond the free memory
        // pointer; `round` is masked, for Solidity does not promise a clean upper part here.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typehash)
            mstore(add(words, 0x20), commitDigest)
            mstore(add(words, 0x40), and(round, 0xffffffff))
            let precommit := keccak256(words, 0x60)
            mstore(words, hex"1901")
            mstore(add(words, 0x02), separator)
            mstore(add(words, 0x22), precommit)
            digest := keccak256(words, 0x42)
        }
    }

    /// @return What `Commit.next` is when the commit decides `rotation`.
    function hashRotation(Rotation memory rotation) internal pure returns (bytes32) {
        return keccak256(abi.encode(ROTATION_TYPEHASH, rotation));
    }

    /// @return What `Commit.next` is when the commit decides `marker`.
    function hashRetirementMarker(RetirementMarker memory marker) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    RETIREMENT_MARKER_TYPEHASH,
                    marker.component,
                    marker.successor,
                    marker.effectiveHeight,
                    keccak256(bytes(marker.reason))
                )
            );
    }
}
