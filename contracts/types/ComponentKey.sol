// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Names one component on every chain: its id together with its genesis committee (spec §7.1).
/// @dev Nobody can occupy a key with another committee, because the committee is in the key. A component id is a BLAKE3
/// digest: opaque here, carried and never recomputed.
type ComponentKey is bytes32;

using {isKey as ==, isOtherKey as !=} for ComponentKey global;

/// @param componentId BLAKE3 component id (spec §3).
/// @param committeeHash Hash of the genesis committee (spec §5.1).
function deriveComponentKey(bytes32 componentId, bytes32 committeeHash) pure returns (ComponentKey) {
    return ComponentKey.wrap(keccak256(abi.encode(componentId, committeeHash)));
}

function isKey(ComponentKey a, ComponentKey b) pure returns (bool) {
    return ComponentKey.unwrap(a) == ComponentKey.unwrap(b);
}

function isOtherKey(ComponentKey a, ComponentKey b) pure returns (bool) {
    return ComponentKey.unwrap(a) != ComponentKey.unwrap(b);
}
