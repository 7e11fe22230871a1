// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One thing that a component's state holds, such that a third party can check it alone (spec §4).
struct StateItem {
    /// keccak-256 of the item's type string, so that no item can be read as another kind.
    bytes32 typehash;
    bytes32 key;
    /// The value where it fits a word, else the keccak-256 of its encoding.
    bytes32 value;
}

using {hash} for StateItem global;

/// @return The leaf under the state root: the double keccak-256 of the item's encoding, so that it is no node.
function hash(StateItem calldata item) pure returns (bytes32) {
    return keccak256(abi.encode(keccak256(abi.encode(item))));
}
