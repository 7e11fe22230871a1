// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../../contracts/interfaces/IComponentRegistry.sol";
import {Certificate} from "../../contracts/libraries/Certificates.sol";
import {Commit} from "../../contracts/types/Commit.sol";
import {Committee} from "../../contracts/types/Committee.sol";
import {ComponentKey} from "../../contracts/types/ComponentKey.sol";
import {Head} from "../../contracts/types/Head.sol";
import {Draft, POOL_COUNT, Seats, TestCommittees} from "./TestCommittee.sol";
import {NONE, TestLog} from "./TestLog.sol";
import {VM} from "./Vm.sol";

/// @notice What must hold of a component; a breach is remembered under its name.
enum Invariant {
    LogOnlyGrows,
    OnlyQuorumSpeaks,
    ComponentsAreApart,
    RetiredIsFinal,
    EpochsCertificatesDie,
    RegisterNeverResets,
    WindowVerifies,
    OnlyMarkedAnchors
}

/// @notice A component as the registry should know it, kept apart from the registry.
struct Model {
    bytes32 componentId;
    ComponentKey key;
    Seats seats;
    Seats genesis;
    /// Who spoke in the epochs before.
    Seats[] former;
    /// Every head that was announced; the last is the newest.
    Head[] heads;
    TestLog log;
    /// What the registry held of it after the last call that was about it.
    bytes32 held;
}

/// @title RegistryDriver
/// @notice Makes honest anchors, and prepares what a forger would; knows every member's key. A forgery that is accepted
/// is noted and undone, so that a run says which invariants break, and not only the first.
abstract contract RegistryDriver is TestCommittees {
    uint256 public constant COMPONENT_COUNT = 3;
    uint256 internal constant WINDOW_HEADS = 8;
    bytes4 private constant PANIC = 0x4e487b71;
    string internal constant REASON = "over";

    /// @notice What was tried went through; carries it back while undoing it.
    error Accepted();

    IComponentRegistry public registry;
    uint256 public honestAnchors;
    uint256 public forgeries;
    /// The component that anchored last.
    uint256 public current;
    mapping(Invariant broken => bool isBroken) public isBroken;

    Model[COMPONENT_COUNT] internal models;
    uint256 internal nowSeconds = 1_800_000_000;

    constructor(IComponentRegistry registry_) {
        registry = registry_;
        VM.warp(nowSeconds);
        for (uint256 i = 0; i < COMPONENT_COUNT; ++i) {
            Model storage model = models[i];
            model.componentId = keccak256(abi.encode("component", i));
            model.seats = Seats({first: 5 * i, count: 1 + 3 * i, details: keccak256(abi.encode("details", i))});
            model.genesis = model.seats;
            model.log.salt = model.componentId;
            model.key = registry.register(model.componentId, Committee(_signersOf(model.seats), model.seats.details));
            model.heads.push();
            Head storage head = model.heads[0];
            head.committeeHash = _hashSeats(model.seats);
            head.logRoot = sha256("");
            head.anchoredAt = uint64(nowSeconds);
            _advance(i, i);
        }
    }

    function _newest(uint256 i) internal view returns (Head storage) {
        return models[i].heads[models[i].heads.length - 1];
    }

    /// @return i A component that is not retired; one always is not.
    function _pickAlive(uint256 seed) internal view returns (uint256 i) {
        i = seed % COMPONENT_COUNT;
        while (_newest(i).retired) i = (i + 1) % COMPONENT_COUNT;
    }

    /// @return draft The next commit of component `i`, certified by exactly a quorum.
    function _prepare(uint256 i, uint256 seed) internal returns (Draft memory draft) {
        Model storage model = models[i];
        draft.previous = _newest(i);
        draft.commit = Commit({
            component: model.key,
            epoch: draft.previous.epoch,
            height: draft.previous.height + 1 + uint64(seed % 3),
            body: keccak256(abi.encode("body", seed)),
            logSize: draft.previous.logSize + 1 + uint64((seed >> 8) % 16),
            logRoot: 0,
            state: keccak256(abi.encode("state", seed)),
            timestampMs: uint64(nowSeconds * 1000),
            anchor: true,
            next: 0
        });
        draft.commit.logRoot = model.log.root(draft.commit.logSize);
        draft.proof = _proveFrom(model.log, draft.previous.logSize, draft.commit.logSize, draft.commit.logRoot);
        draft.round = uint32((seed >> 16) % 4);
        draft.seats = model.seats;
        draft.signers = _chooseSigners(draft.seats.count, _quorumOf(draft.seats.count), seed >> 24);
        draft.signed = _precommitDigest(draft.commit, draft.round);
    }

    function _proveFrom(
        TestLog storage log,
        uint256 oldSize,
        uint256 newSize,
        bytes32 newRoot
    ) internal returns (bytes32[] memory proof) {
        if (oldSize != 0) return log.proveConsistency(oldSize, newSize, NONE);
        proof = new bytes32[](1);
        proof[0] = newRoot;
    }

    function _decideRotation(Draft memory draft, bytes32 newCommitteeHash) internal pure {
        draft.nextKind = 1;
        draft.next = abi.encode(newCommitteeHash);
        bytes32 key = ComponentKey.unwrap(draft.commit.component);
        draft.commit.next = _hashRotation(key, draft.commit.epoch + 1, newCommitteeHash);
        draft.signed = _precommitDigest(draft.commit, draft.round);
    }

    function _decideRetirement(Draft memory draft, bytes32 successor) internal pure {
        draft.nextKind = 2;
        draft.next = abi.encodePacked(successor, REASON);
        bytes32 key = ComponentKey.unwrap(draft.commit.component);
        draft.commit.next = _hashMarker(key, successor, draft.commit.height, REASON);
        draft.signed = _precommitDigest(draft.commit, draft.round);
    }

    /// @return to Another committee of 1 to 7 members, never one that spoke before: its details are its own.
    function _chooseSeats(uint256 i, uint256 seed) internal view returns (Seats memory to) {
        to.count = 1 + ((seed >> 40) % 7);
        to.first = (seed >> 48) % (POOL_COUNT - to.count);
        to.details = keccak256(abi.encode("details", i, _newest(i).epoch + 1));
    }

    /// @dev One honest anchor, by which the model goes on. Reverts where the registry refuses it.
    function _advance(uint256 i, uint256 seed) internal {
        _anchorHonestly(i, _prepare(i, seed));
    }

    function _anchorHonestly(uint256 i, Draft memory draft) internal {
        Model storage model = models[i];
        bool isRetired = registry.isRetired(model.key) || draft.nextKind == 2;
        registry.anchor(_pack(draft));
        ++honestAnchors;
        current = i;
        model.heads.push(_toHead(draft));
        model.held = _readHeld(i);
        if (registry.isRetired(model.key) != isRetired) isBroken[Invariant.OnlyQuorumSpeaks] = true;
    }

    function _toHead(Draft memory draft) internal view returns (Head memory) {
        bool isRotation = draft.nextKind == 1;
        return
            Head({
                committeeHash: isRotation ? abi.decode(draft.next, (bytes32)) : draft.previous.committeeHash,
                epoch: isRotation ? draft.previous.epoch + 1 : draft.previous.epoch,
                height: draft.commit.height,
                logSize: draft.commit.logSize,
                logRoot: draft.commit.logRoot,
                state: draft.commit.state,
                timestampMs: draft.commit.timestampMs,
                anchorIndex: draft.previous.anchorIndex + 1,
                anchoredAt: uint64(nowSeconds),
                retired: draft.nextKind == 2
            });
    }

    /// @dev Shows the registry what it must refuse, by a name.
    function _forge(Draft memory draft, Invariant broken) internal {
        ++forgeries;
        try this.tryAnchor(_pack(draft)) {} catch (bytes memory reason) {
            if (bytes4(reason) == Accepted.selector) isBroken[broken] = true;
            else require(reason.length >= 4 && bytes4(reason) != PANIC, "a refusal without a name");
        }
    }

    /// @notice Anchors, and undoes it.
    function tryAnchor(bytes calldata packed) external {
        registry.anchor(packed);
        revert Accepted();
    }

    /// @dev Shows the registry a certificate and says whether the view accepts it.
    function _isCertified(Head memory head, Draft memory draft) internal view returns (bool) {
        try registry.verifyCertificate(head, draft.commit, _certificate(draft)) {
            return true;
        } catch {
            return false;
        }
    }

    function _certificate(Draft memory draft) internal view returns (Certificate memory) {
        return
            Certificate({
                round: draft.round,
                signers: draft.signers,
                signatures: _signatures(draft.seats, draft.signers, draft.signed),
                absentees: _absentees(draft.seats, draft.signers),
                details: draft.seats.details
            });
    }

    /// @return held All that the registry holds of component `i`.
    function _readHeld(uint256 i) internal view returns (bytes32 held) {
        ComponentKey key = models[i].key;
        bytes32[WINDOW_HEADS] memory words;
        for (uint256 position = 0; position < WINDOW_HEADS; ++position) {
            words[position] = registry.ringWord(key, position);
        }
        return keccak256(abi.encode(words, registry.retirementOf(key)));
    }
}
