// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Who sits on a committee, as a registration spells it out (spec §5.1).
struct Committee {
    /// 1 to 256 addresses, strictly ascending, none zero.
    address[] signers;
    /// Commits to what the chain need not see: note keys, TDX policies.
    bytes32 details;
}
