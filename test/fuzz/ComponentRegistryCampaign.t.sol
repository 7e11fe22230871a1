// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {RegistryChecks} from "./RegistryChecks.sol";

/// @title ComponentRegistryCampaign
/// @notice For many runs: all invariants after every call of the same sequences, where `ComponentRegistryInvariants` would
/// make sequences for each.
contract ComponentRegistryCampaign is RegistryChecks {
    function invariant_all() public {
        _checkLogOnlyGrows();
        _checkOnlyQuorumSpeaks();
        _checkComponentsAreApart();
        _checkRetiredIsFinal();
        _checkEpochsCertificatesDie();
        _checkRegisterNeverResets();
        _checkWindow();
        _checkOnlyMarkedCommitsAnchor();
    }
}
