// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ComponentKey} from "./ComponentKey.sol";

/// @notice The decision that another committee speaks for the component from `newEpoch` on (spec §4, §5.1).
struct Rotation {
    ComponentKey component;
    /// The epoch that ends with the deciding commit, plus one.
    uint64 newEpoch;
    bytes32 newCommitteeHash;
}
