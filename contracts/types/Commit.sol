// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ComponentKey} from "./ComponentKey.sol";

/// @notice What a committee decides at one height (spec §4).
struct Commit {
    ComponentKey component;
    /// Committee epoch, from 0.
    uint64 epoch;
    /// 1, 2, 3 …
    uint64 height;
    /// keccak256(abi.encode(bytes32 parent, bytes32 batchRoot, bytes32 extensionsRoot, uint32 machineVersion)).
    bytes32 body;
    /// Leaves of the log after this commit.
    uint64 logSize;
    /// RFC 9162 root of the log at `logSize`, SHA-256.
    bytes32 logRoot;
    /// Root of the state tree after this commit.
    bytes32 state;
    /// Milliseconds since the Unix epoch.
    uint64 timestampMs;
    /// Whether the state machine marked this commit for the chain.
    bool anchor;
    /// Zero, or the hashStruct of the Rotation or RetirementMarker that this commit decides.
    bytes32 next;
}
