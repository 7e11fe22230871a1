// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../../contracts/interfaces/IComponentRegistry.sol";
import {RegistryActor} from "./RegistryActor.sol";
import {Invariant} from "./RegistryDriver.sol";
import {deploy} from "./Vm.sol";

/// @title RegistryChecks
/// @notice What the fuzzer calls, and each invariant's check: that no forgery against it was accepted, and that the
/// registry still stands where the model does.
abstract contract RegistryChecks {
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

    /// @notice A run that anchored nothing would prove nothing: every call makes an honest anchor, and most runs forge.
    function afterInvariant() public view {
        require(_actor.honestAnchors() >= _actor.actions(), "a call made no honest anchor");
        require(_actor.actions() < 32 || _actor.forgeries() >= _actor.actions() / 2, "the run hardly forged");
    }

    function _checkLogOnlyGrows() internal {
        _requireUnbroken(Invariant.LogOnlyGrows, "logOnlyGrows: a rewritten log was anchored");
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            require(_actor.isAsModelled(i), "logOnlyGrows: the registry has another root");
        }
    }

    function _checkOnlyQuorumSpeaks() internal {
        _requireUnbroken(Invariant.OnlyQuorumSpeaks, "onlyQuorumSpeaks: no quorum decided what was anchored");
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            require(_actor.isAsModelled(i), "onlyQuorumSpeaks: no quorum decided the newest head");
        }
    }

    function _checkComponentsAreApart() internal view {
        _requireUnbroken(Invariant.ComponentsAreApart, "componentsAreApart: what is another's was anchored");
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            require(_actor.isUntouched(i), "componentsAreApart: a call about another component changed one");
        }
    }

    function _checkRetiredIsFinal() internal {
        _requireUnbroken(Invariant.RetiredIsFinal, "retiredIsFinal: a retired component anchored");
        for (uint256 i = 0; i < _actor.COMPONENT_COUNT(); ++i) {
            if (!_actor.isRetired(i)) continue;
            require(
                _actor.registry().isRetired(_actor.keyOf(i)),
                "retiredIsFinal: a retired component is not known as one"
            );
            require(_actor.isAsModelled(i), "retiredIsFinal: a retired component has another head");
        }
    }

    function _checkEpochsCertificatesDie() internal view {
        _requireUnbroken(Invariant.EpochsCertificatesDie, "epochsCertificatesDie: another epoch's was accepted");
    }

    function _checkRegisterNeverResets() internal view {
        _requireUnbroken(Invariant.RegisterNeverResets, "registerNeverResets: registering changed a component");
    }

    /// @dev Of the component that anchored last; that of the others is as it was.
    function _checkWindow() internal {
        uint256 seed = uint256(keccak256(abi.encode(_actor.honestAnchors())));
        bool isExact = _actor.isWindowExact(_actor.current(), seed);
        require(isExact, "windowHeadVerifiesEvictedDoesNot: the window is not the newest eight heads");
    }

    function _checkOnlyMarkedCommitsAnchor() internal view {
        _requireUnbroken(Invariant.OnlyMarkedAnchors, "onlyMarkedCommitsAnchor: an unmarked commit was anchored");
    }

    function _requireUnbroken(Invariant broken, string memory message) private view {
        require(!_actor.isBroken(broken), message);
    }
}
