// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {RegistryChecks} from "./RegistryChecks.sol";

/// @title ComponentRegistryInvariants
/// @notice The registry's invariants, each over random sequences of calls of its own and checked after every call.
contract ComponentRegistryInvariants is RegistryChecks {
    function invariant_logOnlyGrows() public {
        _checkLogOnlyGrows();
    }

    function invariant_onlyQuorumSpeaks() public {
        _checkOnlyQuorumSpeaks();
    }

    function invariant_componentsAreApart() public view {
        _checkComponentsAreApart();
    }

    function invariant_retiredIsFinal() public {
        _checkRetiredIsFinal();
    }

    function invariant_epochsCertificatesDie() public view {
        _checkEpochsCertificatesDie();
    }

    function invariant_registerNeverResets() public view {
        _checkRegisterNeverResets();
    }

    function invariant_windowHeadVerifiesEvictedDoesNot() public {
        _checkWindow();
    }

    function invariant_onlyMarkedCommitsAnchor() public view {
        _checkOnlyMarkedCommitsAnchor();
    }
}
