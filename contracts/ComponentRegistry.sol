// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IComponentRegistry} from "./interfaces/IComponentRegistry.sol";
import {
    AnchorCall,
    AnchorCallMalformed,
    NEXT_RETIREMENT,
    NEXT_ROTATION,
    REASON_SIZE_BYTES_MAX
} from "./libraries/AnchorCall.sol";
import {Certificate, Certificates} from "./libraries/Certificates.sol";
import {CommitHashing} from "./libraries/CommitHashing.sol";
import {Rfc9162} from "./libraries/Rfc9162.sol";
import {Commit} from "./types/Commit.sol";
import {Committee} from "./types/Committee.sol";
import {ComponentKey, deriveComponentKey} from "./types/ComponentKey.sol";
import {Head, PackedHead} from "./types/Head.sol";
import {Retirement, RetirementMarker} from "./types/RetirementMarker.sol";
import {ANCHOR_INDEX_MAX, EMPTY_RING_WORD, Ring, Rings, RingWord} from "./types/Ring.sol";
import {Rotation} from "./types/Rotation.sol";
import {StateItem} from "./types/StateItem.sol";

/// @title ComponentRegistry
/// @notice Remembers, for each component, who may speak for it and the newest heads of its log (spec §7).
/// @dev Invariants, each tested under the same name:
///   I1 logOnlyGrows: every anchored log is a prefix of every later one.
///   I2 onlyQuorumSpeaks: a component changes only by a certificate of its current epoch.
///   I3 componentsAreApart: a call for one key changes no other key.
///   I4 retiredIsFinal: nothing of a retired component changes again.
/// Storage: slot 0 `_rings`, eight words a component, each the digest of a head (types/Ring.sol); slot 1
/// `_retirements`, two words a retired component.
/// Powers: none. No owner, pause or upgrade.
contract ComponentRegistry is IComponentRegistry {
    /// RFC 9162 §2.1.1: the root of no leaves is the hash of no bytes.
    bytes32 private constant EMPTY_LOG_ROOT = sha256("");
    /// How far ahead of the block a commit's time may be: members' clocks are not the chain's (spec §7.2).
    uint256 private constant TIMESTAMP_AHEAD_MAX_MS = 60_000;
    uint256 private constant LEAF_SIZE_BYTES_MAX = 65_535;
    uint256 private constant STATE_PROOF_NODES_MAX = 64;

    mapping(ComponentKey component => Ring ring) private _rings;
    mapping(ComponentKey component => Retirement retirement) private _retirements;

    /// @inheritdoc IComponentRegistry
    function register(bytes32 componentId, Committee calldata committee) external returns (ComponentKey component) {
        bytes32 committeeHash = Certificates.hashCommittee(committee);
        component = deriveComponentKey(componentId, committeeHash);
        Ring storage ring = _rings[component];
        // Position 0 is written first and never emptied.
        if (!(ring.read(0) == EMPTY_RING_WORD)) return component;

        PackedHead memory head = PackedHead({
            committeeHash: committeeHash,
            logRoot: EMPTY_LOG_ROOT,
            state: 0,
            progress: 0,
            place: block.timestamp
        });
        ring.write(0, Rings.toRingWord(0, head.digest()));
        emit Registered(component, componentId, committee.signers, committee.details, head);
    }

    /// @inheritdoc IComponentRegistry
    function anchor(bytes calldata packed) external {
        (bytes32[] calldata proof, bytes calldata next) = AnchorCall.open(packed);
        ComponentKey component = AnchorCall.component();
        Ring storage ring = _rings[component];
        uint256 anchorIndex = AnchorCall.previousAnchorIndex();
        _requireNewest(component, ring, anchorIndex, AnchorCall.previousDigest());
        _requireProgress();

        bytes32 nextHash = _hashNext(next);
        bytes32 logRoot = _extend(proof);
        bytes32 commitDigest = AnchorCall.commitDigest(logRoot, nextHash);
        _requireQuorum(commitDigest);

        // Below ANCHOR_INDEX_MAX, as `_requireProgress` made sure.
        unchecked {
            ++anchorIndex;
        }
        PackedHead memory head = PackedHead({
            committeeHash: AnchorCall.previousCommitteeHash(),
            logRoot: logRoot,
            state: AnchorCall.state(),
            progress: AnchorCall.progress(),
            place: (anchorIndex << 64) | block.timestamp
        });
        if (next.length != 0) _applyNext(component, head, next);
        ring.write(anchorIndex, Rings.toRingWord(anchorIndex, head.digest()));
        emit Anchored(component, commitDigest, head);
    }

    /// @inheritdoc IComponentRegistry
    function verifyCertificate(
        Head calldata head,
        Commit calldata commit,
        Certificate calldata certificate
    ) external view {
        _requireNewest(commit.component, head);
        if (head.retired) revert ComponentRegistryRetired(commit.component);
        if (commit.epoch != head.epoch) revert ComponentRegistryOtherEpoch(head.epoch, commit.epoch);
        bytes32 digest = CommitHashing.precommitDigest(CommitHashing.hashCommit(commit), certificate.round);
        Certificates.requireQuorum(head.committeeHash, digest, certificate);
    }

    /// @inheritdoc IComponentRegistry
    function verifyInclusion(
        ComponentKey component,
        Head calldata head,
        uint64 index,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) external view {
        if (!isInWindow(component, head)) revert ComponentRegistryNotInWindow(component, head.anchorIndex);
        _requireLength(leaf.length, LEAF_SIZE_BYTES_MAX);
        Rfc9162.requireIncluded(index, head.logSize, head.logRoot, Rfc9162.hashLeaf(leaf), proof);
    }

    /// @inheritdoc IComponentRegistry
    function verifyStateItem(
        ComponentKey component,
        Head calldata head,
        StateItem calldata item,
        bytes32[] calldata proof,
        uint256 maxAgeMs
    ) external view {
        _requireNewest(component, head);
        uint256 nowMs = block.timestamp * 1000;
        uint256 ageMs = nowMs > head.timestampMs ? nowMs - head.timestampMs : 0;
        if (ageMs > maxAgeMs) revert ComponentRegistryHeadTooOld(ageMs, maxAgeMs);
        _requireLength(proof.length, STATE_PROOF_NODES_MAX);
        bytes32 leaf = item.hash();
        if (!MerkleProof.verifyCalldata(proof, head.state, leaf)) {
            revert ComponentRegistryItemNotInState(head.state, leaf);
        }
    }

    /// @inheritdoc IComponentRegistry
    function isNewest(ComponentKey component, Head calldata head) external view returns (bool) {
        return _isNewest(_rings[component], head.anchorIndex, head.digest());
    }

    /// @inheritdoc IComponentRegistry
    function isInWindow(ComponentKey component, Head calldata head) public view returns (bool) {
        return _rings[component].read(head.anchorIndex) == Rings.toRingWord(head.anchorIndex, head.digest());
    }

    /// @inheritdoc IComponentRegistry
    function isRetired(ComponentKey component) public view returns (bool) {
        return _retirements[component].retiredAt != 0;
    }

    /// @inheritdoc IComponentRegistry
    function retirementOf(ComponentKey component) external view returns (Retirement memory) {
        return _retirements[component];
    }

    /// @inheritdoc IComponentRegistry
    function ringWord(ComponentKey component, uint256 position) external view returns (bytes32) {
        return RingWord.unwrap(_rings[component].read(position));
    }

    /// @dev Carries out what `_hashNext` found to be the commit's own decision.
    function _applyNext(ComponentKey component, PackedHead memory head, bytes calldata next) private {
        if (AnchorCall.nextKind() == NEXT_ROTATION) {
            head.rotateTo(bytes32(next));
            return;
        }
        head.retire();
        // Apart from the ring, so that anyone can ask with the key alone.
        (ComponentKey successor, string memory reason) = _splitMarker(next);
        _retirements[component] = Retirement(successor, AnchorCall.height(), uint64(block.timestamp));
        emit Retired(component, successor, AnchorCall.height(), reason);
    }

    function _requireNewest(ComponentKey component, Head calldata head) private view {
        _requireNewest(component, _rings[component], head.anchorIndex, head.digest());
    }

    /// @dev Refuses unless the head stands in the ring and no successor stands after it. Says why only once it must.
    function _requireNewest(
        ComponentKey component,
        Ring storage ring,
        uint256 anchorIndex,
        bytes32 headDigest
    ) private view {
        if (_isNewest(ring, anchorIndex, headDigest)) return;
        if (ring.read(0) == EMPTY_RING_WORD) revert ComponentRegistryUnknown(component);
        if (isRetired(component)) revert ComponentRegistryRetired(component);
        revert ComponentRegistryNotNewest(component, uint64(anchorIndex));
    }

    function _isNewest(Ring storage ring, uint256 anchorIndex, bytes32 headDigest) private view returns (bool) {
        // An anchor index is a uint64.
        unchecked {
            return
                ring.read(anchorIndex) == Rings.toRingWord(anchorIndex, headDigest) &&
                !ring.hasReached(anchorIndex + 1);
        }
    }

    function _requireProgress() private view {
        if (AnchorCall.previousAnchorIndex() == ANCHOR_INDEX_MAX)
            revert ComponentRegistryRingExhausted(AnchorCall.component());
        if (AnchorCall.height() <= AnchorCall.previousHeight()) {
            revert ComponentRegistryHeightNotIncreasing(AnchorCall.previousHeight(), AnchorCall.height());
        }
        if (AnchorCall.logSize() <= AnchorCall.previousLogSize()) {
            revert ComponentRegistrySizeNotIncreasing(AnchorCall.previousLogSize(), AnchorCall.logSize());
        }
        // Block times are seconds of this age.
        unchecked {
            if (AnchorCall.timestampMs() > block.timestamp * 1000 + TIMESTAMP_AHEAD_MAX_MS) {
                revert ComponentRegistryTimestampAhead(AnchorCall.timestampMs(), block.timestamp * 1000);
            }
        }
    }

    /// @return Where the proof leads from the anchored root. The empty log needs none: every log extends it.
    function _extend(bytes32[] calldata proof) private view returns (bytes32) {
        uint256 anchoredSize = AnchorCall.previousLogSize();
        if (anchoredSize != 0)
            return Rfc9162.extend(anchoredSize, AnchorCall.previousLogRoot(), AnchorCall.logSize(), proof);
        if (proof.length != 1) revert AnchorCallMalformed();
        return proof[0];
    }

    function _requireQuorum(bytes32 commitDigest) private view {
        Certificates.requireQuorumAt({
            committeeHash: AnchorCall.previousCommitteeHash(),
            digest: CommitHashing.precommitDigest(commitDigest, AnchorCall.round()),
            signers: AnchorCall.signers(),
            memberCount: AnchorCall.memberCount(),
            signatureCount: AnchorCall.signatureCount(),
            signaturesAt: AnchorCall.signaturesAt(),
            absenteesAt: AnchorCall.absenteesAt(),
            absenteeStrideBytes: 20,
            details: AnchorCall.details()
        });
    }

    /// @return What `commit.next` must be for a commit that decides what was given.
    function _hashNext(bytes calldata next) private pure returns (bytes32) {
        uint256 kind = AnchorCall.nextKind();
        if (kind | next.length == 0) return 0;
        if (kind == NEXT_ROTATION && next.length == 32) {
            return CommitHashing.hashRotation(Rotation(AnchorCall.component(), AnchorCall.epoch() + 1, bytes32(next)));
        }
        if (kind != NEXT_RETIREMENT || next.length < 32 || next.length > 32 + REASON_SIZE_BYTES_MAX) {
            revert AnchorCallMalformed();
        }
        (ComponentKey successor, string memory reason) = _splitMarker(next);
        return
            CommitHashing.hashRetirementMarker(
                RetirementMarker(AnchorCall.component(), successor, AnchorCall.height(), reason)
            );
    }

    function _splitMarker(bytes calldata next) private pure returns (ComponentKey successor, string memory reason) {
        return (ComponentKey.wrap(bytes32(next[:32])), string(next[32:]));
    }

    function _requireLength(uint256 length, uint256 lengthMax) private pure {
        if (length > lengthMax) revert ComponentRegistryArgumentTooLong(length, lengthMax);
    }
}
