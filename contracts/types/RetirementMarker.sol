// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ComponentKey} from "./ComponentKey.sol";

/// @notice The decision that the component ends with the deciding commit, for good (spec §9).
struct RetirementMarker {
    ComponentKey component;
    /// Who carries on: a component key, or zero.
    ComponentKey successor;
    /// Height of the commit that decides it.
    uint64 effectiveHeight;
    /// Why, for people; at most 256 bytes of UTF-8.
    string reason;
}

/// @notice What the registry remembers of a retirement. Zero `retiredAt`: not retired.
struct Retirement {
    ComponentKey successor;
    uint64 effectiveHeight;
    /// Seconds since the Unix epoch, of the block that anchored the marker.
    uint64 retiredAt;
}
