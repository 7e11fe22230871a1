// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Rfc9162} from "../../contracts/libraries/Rfc9162.sol";

/// @notice Lets tests call the library as another contract would.
contract Rfc9162Harness {
    function requireIncluded(
        uint256 index,
        uint256 size,
        bytes32 root,
        bytes32 leafHash,
        bytes32[] calldata proof
    ) external view {
        Rfc9162.requireIncluded(index, size, root, leafHash, proof);
    }

    function requireConsistent(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) external view {
        Rfc9162.requireConsistent(oldSize, oldRoot, newSize, newRoot, proof);
    }

    function hashLeaf(bytes calldata leaf) external pure returns (bytes32) {
        return Rfc9162.hashLeaf(leaf);
    }
}
