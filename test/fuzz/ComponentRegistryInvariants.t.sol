// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../../contracts/interfaces/IComponentRegistry.sol";
import {RegistryActor} from "./RegistryActor.sol";
import {Invariant} from "./RegistryDriver.sol";
import {deploy} from "./Vm.sol";

/// @title ComponentRegistryInvariants
/// @notice The registry's invariants over random sequences of calls. Each is checked after every call: that no forgery
/// against it was accepted, and that the registry still stands where the model does.
contract ComponentRegistryInvariants {
    struct FuzzSelector {
        address target;
        bytes4[] selectors;
    }

    RegistryActor private _actor;

    function setUp() public {
        address registry = deploy("ComponentRegistry.sol:ComponentRegistry", "");
        _actor = new RegistryActor(IComponentRegistry(registry));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_actor);
    }

    /// @notice The actor's actions alone: its questions are not the fuzzer's to ask.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = RegistryActor.anchor.selector;
        selectors[1] = RegistryActor.rotate.selector;
        selectors[2] = RegistryActor.retire.selector;
        selectors[3] = RegistryActor.rewriteLog.selector;
        selectors[4] = RegistryActor.speakWithoutQuorum.selector;
        selectors[5] = RegistryActor.replayElsewhere.selector;
        selectors[6] = RegistryActor.reviveRetired.selector;
        selectors[7] = RegistryActor.speakOutOfEpoch.selector;
        selectors[8] = RegistryActor.registerAgain.selector;
        selectors[9] = RegistryActor.anchorUnmarked.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_actor), selectors);
    }

    function invariant_logOnlyGrows() public {
        _requireUnbroken(Invariant.LogOnlyGrows);
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            require(_actor.isAsModelled(i), "the registry has another head or root");
        }
    }

    function invariant_onlyQuorumSpeaks() public {
        _requireUnbroken(Invariant.OnlyQuorumSpeaks);
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            require(_actor.isAsModelled(i), "the registry has a head that no quorum decided");
        }
    }

    function invariant_componentsAreApart() public view {
        _requireUnbroken(Invariant.ComponentsAreApart);
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            require(_actor.isUntouched(i), "a call about another component changed one");
        }
    }

    function invariant_retiredIsFinal() public {
        _requireUnbroken(Invariant.RetiredIsFinal);
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            if (!_actor.isRetired(i)) continue;
            require(_actor.registry().isRetired(_actor.keyOf(i)), "a retired component is not known as one");
            require(_actor.isAsModelled(i), "a retired component has another head");
        }
    }

    function invariant_epochsCertificatesDie() public view {
        _requireUnbroken(Invariant.EpochsCertificatesDie);
    }

    function invariant_registerNeverResets() public view {
        _requireUnbroken(Invariant.RegisterNeverResets);
    }

    /// @dev Of the component that anchored last; that of the others is as it was.
    function invariant_windowHeadVerifiesEvictedDoesNot() public {
        uint256 seed = uint256(keccak256(abi.encode(_actor.honestAnchors())));
        require(_actor.isWindowExact(_actor.current(), seed), "the window is not the newest eight heads");
    }

    function invariant_onlyMarkedCommitsAnchor() public view {
        _requireUnbroken(Invariant.OnlyMarkedAnchors);
    }

    /// @notice A run that anchored nothing would prove nothing: every call makes an honest anchor, and most runs forge.
    function afterInvariant() public view {
        require(_actor.honestAnchors() >= _actor.actions(), "a call made no honest anchor");
        require(_actor.actions() < 32 || _actor.forgeries() >= _actor.actions() / 2, "the run hardly forged");
    }

    function _requireUnbroken(Invariant broken) private view {
        require(!_actor.isBroken(broken), "the registry accepted a forgery");
    }
}
