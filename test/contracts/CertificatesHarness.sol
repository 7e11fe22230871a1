// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Certificate, Certificates} from "../../contracts/libraries/Certificates.sol";
import {CommitHashing} from "../../contracts/libraries/CommitHashing.sol";
import {Commit} from "../../contracts/types/Commit.sol";
import {Committee} from "../../contracts/types/Committee.sol";
import {ComponentKey} from "../../contracts/types/ComponentKey.sol";
import {RetirementMarker} from "../../contracts/types/RetirementMarker.sol";
import {Rotation} from "../../contracts/types/Rotation.sol";

/// @notice Lets tests call the libraries as another contract would.
contract CertificatesHarness {
    function requireQuorum(bytes32 committeeHash, bytes32 digest, Certificate calldata certificate) external view {
        Certificates.requireQuorum(committeeHash, digest, certificate);
    }

    /// @notice The same after memory was used and left dirty, where an older word could pose as a signer.
    function requireQuorumInDirtyMemory(
        bytes32 committeeHash,
        bytes32 digest,
        Certificate calldata certificate,
        bytes32 stale
    ) external view {
        assembly {
            let free := mload(0x40)
            for {
                let i := 0
            } lt(i, 64) {
                i := add(i, 1)
            } {
                mstore(add(free, shl(5, i)), stale)
            }
        }
        Certificates.requireQuorum(committeeHash, digest, certificate);
    }

    function quorumOf(uint256 memberCount) external pure returns (uint256) {
        return Certificates.quorumOf(memberCount);
    }

    function hashCommittee(Committee calldata committee) external pure returns (bytes32) {
        return Certificates.hashCommittee(committee);
    }

    function hashCommit(Commit calldata commit) external pure returns (bytes32) {
        return CommitHashing.hashCommit(commit);
    }

    function precommitDigest(bytes32 commitDigest, uint32 round) external pure returns (bytes32) {
        return CommitHashing.precommitDigest(commitDigest, round);
    }

    function hashRotation(Rotation calldata rotation) external pure returns (bytes32) {
        return CommitHashing.hashRotation(rotation);
    }

    function hashRetirementMarker(RetirementMarker calldata marker) external pure returns (bytes32) {
        return CommitHashing.hashRetirementMarker(marker);
    }

    function compareKeys(ComponentKey a, ComponentKey b) external pure returns (bool isSame, bool isOther) {
        return (a == b, a != b);
    }
}
