// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../../contracts/interfaces/IComponentRegistry.sol";
import {Committee} from "../../contracts/types/Committee.sol";
import {ComponentKey} from "../../contracts/types/ComponentKey.sol";
import {Head} from "../../contracts/types/Head.sol";
import {Draft, Seats} from "./TestCommittee.sol";
import {NONE} from "./TestLog.sol";
import {Invariant, Model, RegistryDriver} from "./RegistryDriver.sol";
import {VM} from "./Vm.sol";

/// @title RegistryActor
/// @notice What the fuzzer calls: each function makes one honest anchor, most of them after forgeries that differ from
/// it in one thing alone. A forgery that the registry accepts breaks an invariant; an honest anchor that it refuses
/// reverts, which fails the run.
contract RegistryActor is RegistryDriver {
    uint256 public actions;

    constructor(IComponentRegistry registry) RegistryDriver(registry) {}

    modifier acts() {
        ++actions;
        nowSeconds += 12;
        VM.warp(nowSeconds);
        _;
    }

    function anchor(uint256 seed) external acts {
        _advance(_pickAlive(seed >> 128), seed);
    }

    function rotate(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        Draft memory draft = _prepare(i, seed);
        (Seats memory from, uint256 signers) = (draft.seats, draft.signers);
        Seats memory to = _chooseSeats(i, seed);

        // The next committee, before the switch: it speaks for nobody yet.
        draft.seats = to;
        draft.signers = (1 << to.count) - 1;
        _forge(draft, Invariant.EpochsCertificatesDie);
        draft.previous.committeeHash = _hashSeats(to);
        _forge(draft, Invariant.EpochsCertificatesDie);
        draft.previous.committeeHash = _hashSeats(from);
        (draft.seats, draft.signers) = (from, signers);
        // A rotation that the quorum did not decide, beside a commit that it did.
        draft.nextKind = 1;
        draft.next = abi.encode(_hashSeats(to));
        _forge(draft, Invariant.OnlyQuorumSpeaks);

        _decideRotation(draft, _hashSeats(to));
        _anchorHonestly(i, draft);
        models[i].former.push(models[i].seats);
        models[i].seats = to;
    }

    /// @dev One component always lives, and few calls retire one, so that most of a run is about living ones.
    function retire(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        Draft memory draft = _prepare(i, seed);
        // A retirement that the quorum did not decide.
        draft.nextKind = 2;
        draft.next = abi.encodePacked(bytes32(seed), REASON);
        _forge(draft, Invariant.OnlyQuorumSpeaks);

        bool isLast = _pickAlive(i + 1) == i;
        if (isLast || seed % 8 != 0) {
            (draft.nextKind, draft.next) = (0, "");
            return _anchorHonestly(i, draft);
        }
        // Now and then another component carries on, which must not notice.
        bytes32 successor = seed % 16 == 0 ? ComponentKey.unwrap(models[(i + 1) % COMPONENT_COUNT].key) : bytes32(seed);
        _decideRetirement(draft, successor);
        _anchorHonestly(i, draft);
    }

    /// @dev The whole committee signs, so that nothing but the log is at fault.
    function rewriteLog(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        Model storage model = models[i];
        Draft memory draft = _prepare(i, seed);
        (uint64 oldSize, uint64 newSize) = (draft.previous.logSize, draft.commit.logSize);
        (bytes32[] memory honest, uint256 signers, bytes32 signed) = (draft.proof, draft.signers, draft.signed);
        draft.signers = (1 << draft.seats.count) - 1;

        // One leaf of those that are anchored becomes another.
        uint256 rewritten = (seed >> 160) % oldSize;
        draft.commit.logRoot = model.log.rewrittenRoot(newSize, rewritten);
        draft.signed = _precommitDigest(draft.commit, draft.round);
        _forge(draft, Invariant.LogOnlyGrows);
        draft.proof = model.log.proveConsistency(oldSize, newSize, rewritten);
        _forge(draft, Invariant.LogOnlyGrows);
        // The rewritten log's own past, as if it had been anchored.
        draft.previous.logRoot = model.log.rewrittenRoot(oldSize, rewritten);
        _forge(draft, Invariant.LogOnlyGrows);
        draft.previous.logRoot = model.log.root(oldSize);

        // The same log, no longer than before.
        draft.commit.logSize = oldSize;
        draft.commit.logRoot = draft.previous.logRoot;
        draft.signed = _precommitDigest(draft.commit, draft.round);
        draft.proof = model.log.proveNoGrowth(oldSize);
        _forge(draft, Invariant.LogOnlyGrows);
        // The honest leaves, no higher than before.
        draft.commit.logSize = newSize;
        draft.commit.logRoot = model.log.root(newSize);
        draft.proof = honest;
        uint64 height = draft.commit.height;
        draft.commit.height = draft.previous.height;
        draft.signed = _precommitDigest(draft.commit, draft.round);
        _forge(draft, Invariant.LogOnlyGrows);

        (draft.commit.height, draft.signers, draft.signed) = (height, signers, signed);
        _anchorHonestly(i, draft);
    }

    function speakWithoutQuorum(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        Draft memory draft = _prepare(i, seed);
        uint256 quorum = _quorumOf(draft.seats.count);
        uint256 signers = draft.signers;
        bytes32 signed = draft.signed;

        if (quorum > 1) {
            draft.signers = _chooseSigners(draft.seats.count, quorum - 1, seed);
            _forge(draft, Invariant.OnlyQuorumSpeaks);
            draft.signers = signers;
        }
        // The quorum signed something else: another round, height, state, domain.
        draft.signed = _precommitDigest(draft.commit, draft.round + 1);
        _forge(draft, Invariant.OnlyQuorumSpeaks);
        draft.signed = _precommitDigestIn(keccak256("another domain"), draft.commit, draft.round);
        _forge(draft, Invariant.OnlyQuorumSpeaks);
        draft.commit.height += 1;
        draft.signed = signed;
        _forge(draft, Invariant.OnlyQuorumSpeaks);
        draft.commit.height -= 1;
        draft.commit.state = ~draft.commit.state;
        _forge(draft, Invariant.OnlyQuorumSpeaks);
        draft.commit.state = ~draft.commit.state;
        // Strangers, as many as there are members.
        uint256 first = draft.seats.first;
        draft.seats.first = first == 0 ? 1 : first - 1;
        _forge(draft, Invariant.OnlyQuorumSpeaks);

        draft.seats.first = first;
        _anchorHonestly(i, draft);
    }

    function replayElsewhere(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        uint256 j = (i + 1 + (seed % 2)) % COMPONENT_COUNT;
        Draft memory draft = _prepare(i, seed);
        bytes32 signed = draft.signed;
        // What this component's committee signed, under the other key: with its own head and with the other's.
        draft.commit.component = models[j].key;
        _forge(draft, Invariant.ComponentsAreApart);
        Head memory own = draft.previous;
        draft.previous = _newest(j);
        _forge(draft, Invariant.ComponentsAreApart);
        // Now signed for the other key, and by its members' neighbours only.
        draft.signed = _precommitDigest(draft.commit, draft.round);
        _forge(draft, Invariant.ComponentsAreApart);
        // The other's head as if it were this one's.
        draft.commit.component = models[i].key;
        draft.signed = signed;
        _forge(draft, Invariant.ComponentsAreApart);
        draft.previous = own;
        _anchorHonestly(i, draft);
    }

    function reviveRetired(uint256 seed) external acts {
        for (uint256 i = 0; i < COMPONENT_COUNT; ++i) {
            if (!_newest(i).retired) continue;
            Draft memory draft = _prepare(i, seed);
            draft.signers = (1 << draft.seats.count) - 1;
            _forge(draft, Invariant.RetiredIsFinal);
            // From the head before, as if the last had never been.
            draft.previous = models[i].heads[models[i].heads.length - 2];
            draft.proof = models[i].log.proveConsistency(draft.previous.logSize, draft.commit.logSize, NONE);
            draft.commit.epoch = draft.previous.epoch;
            draft.signed = _precommitDigest(draft.commit, draft.round);
            _forge(draft, Invariant.RetiredIsFinal);
            if (_isCertified(_newest(i), draft)) isBroken[Invariant.RetiredIsFinal] = true;
        }
        _advance(_pickAlive(seed >> 128), seed);
    }

    function speakOutOfEpoch(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        Model storage model = models[i];
        Draft memory draft = _prepare(i, seed);
        Head memory head = draft.previous;
        if (!_isCertified(head, draft)) isBroken[Invariant.EpochsCertificatesDie] = true;
        if (model.former.length > 0) {
            // A former committee signs for its own epoch and for the present one.
            draft.seats = model.former[seed % model.former.length];
            draft.signers = (1 << draft.seats.count) - 1;
            _forge(draft, Invariant.EpochsCertificatesDie);
            if (_isCertified(head, draft)) isBroken[Invariant.EpochsCertificatesDie] = true;
            draft.commit.epoch = head.epoch - 1;
            draft.signed = _precommitDigest(draft.commit, draft.round);
            _forge(draft, Invariant.EpochsCertificatesDie);
            if (_isCertified(head, draft)) isBroken[Invariant.EpochsCertificatesDie] = true;
        }
        // The present committee signs for an epoch that is not its own.
        draft.seats = model.seats;
        draft.signers = (1 << draft.seats.count) - 1;
        draft.commit.epoch = seed % 2 == 0 ? head.epoch + 1 : head.epoch - (head.epoch == 0 ? 0 : 1);
        draft.signed = _precommitDigest(draft.commit, draft.round);
        if (draft.commit.epoch != head.epoch) {
            _forge(draft, Invariant.EpochsCertificatesDie);
            if (_isCertified(head, draft)) isBroken[Invariant.EpochsCertificatesDie] = true;
        }
        _advance(i, seed);
    }

    function registerAgain(uint256 seed) external acts {
        uint256 i = seed % COMPONENT_COUNT;
        bytes32 otherDetails = keccak256(abi.encode(seed));
        ++forgeries;
        try this.tryRegister(i, otherDetails) {} catch (bytes memory reason) {
            if (bytes4(reason) == Accepted.selector) _registerAgain(i, otherDetails);
            else isBroken[Invariant.RegisterNeverResets] = true;
        }
        _advance(_pickAlive(seed >> 128), seed);
    }

    /// @notice Registers a component again, and undoes it.
    function tryRegister(uint256 i, bytes32 otherDetails) external {
        _registerAgain(i, otherDetails);
        revert Accepted();
    }

    function _registerAgain(uint256 i, bytes32 otherDetails) private {
        Model storage model = models[i];
        Committee memory genesis = Committee(_signersOf(model.genesis), model.genesis.details);
        bytes32[COMPONENT_COUNT] memory before;
        for (uint256 j = 0; j < COMPONENT_COUNT; ++j) before[j] = _readHeld(j);
        require(registry.register(model.componentId, genesis) == model.key, "the same has another key");
        // The same id with another committee is another component.
        genesis.details = otherDetails;
        require(registry.register(model.componentId, genesis) != model.key, "another has the same key");
        for (uint256 j = 0; j < COMPONENT_COUNT; ++j) {
            require(_readHeld(j) == before[j], "registering changed a component");
        }
    }

    function anchorUnmarked(uint256 seed) external acts {
        uint256 i = _pickAlive(seed >> 128);
        Draft memory draft = _prepare(i, seed);
        bytes32 signed = draft.signed;
        draft.commit.anchor = false;
        draft.signed = _precommitDigest(draft.commit, draft.round);
        _forge(draft, Invariant.OnlyMarkedAnchors);
        // With a bit set that the packed form has for nothing.
        draft.nextKind = 0x80;
        _forge(draft, Invariant.OnlyMarkedAnchors);
        // It was decided all the same, and can be shown.
        if (!_isCertified(draft.previous, draft)) isBroken[Invariant.OnlyMarkedAnchors] = true;

        draft.commit.anchor = true;
        draft.nextKind = 0;
        draft.signed = signed;
        _anchorHonestly(i, draft);
    }

    /// @return Whether the registry knows exactly the model's newest head, whose root the model's own log has.
    function isAsModelled(uint256 i) external returns (bool) {
        Head memory head = _newest(i);
        return registry.isNewest(models[i].key, head) && models[i].log.root(head.logSize) == head.logRoot;
    }

    /// @return Whether the registry holds of component `i` what it did when a call was last about it.
    function isUntouched(uint256 i) external view returns (bool) {
        return _readHeld(i) == models[i].held;
    }

    /// @return Whether the newest eight heads verify, with a leaf of theirs, and an older one no more.
    function isWindowExact(uint256 i, uint256 seed) external returns (bool) {
        Model storage model = models[i];
        uint256 count = model.heads.length;
        for (uint256 age = 1; age <= count && age <= WINDOW_HEADS + 2; ++age) {
            Head memory head = model.heads[count - age];
            bool isRecent = age <= WINDOW_HEADS;
            if (registry.isInWindow(model.key, head) != isRecent) return false;
            if (age > 1 && registry.isNewest(model.key, head)) return false;
        }
        // One of the ten newest, which leaf and which head the seed chooses.
        uint256 chosenAge = 1 + (seed % (WINDOW_HEADS + 2));
        if (chosenAge > count) return true;
        Head memory chosen = model.heads[count - chosenAge];
        if (chosen.logSize == 0) return true;
        uint64 index = uint64((seed >> 8) % chosen.logSize);
        bytes32[] memory proof = model.log.proveInclusion(index, chosen.logSize);
        try registry.verifyInclusion(model.key, chosen, index, model.log.leaf(index), proof) {
            return chosenAge <= WINDOW_HEADS;
        } catch {
            return chosenAge > WINDOW_HEADS;
        }
    }

    function isRetired(uint256 i) external view returns (bool) {
        return _newest(i).retired;
    }

    function keyOf(uint256 i) external view returns (ComponentKey) {
        return models[i].key;
    }
}
