// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Certificate} from "../libraries/Certificates.sol";
import {Commit} from "../types/Commit.sol";
import {Committee} from "../types/Committee.sol";
import {ComponentKey} from "../types/ComponentKey.sol";
import {Head, PackedHead} from "../types/Head.sol";
import {Retirement} from "../types/RetirementMarker.sol";
import {StateItem} from "../types/StateItem.sol";

/// @title IComponentRegistry
/// @notice What the chain remembers of each component: who may speak for it, and the newest heads of its log (spec §7.2).
/// @dev Two writes, open to anyone: the certificate is the authority, the caller only pays. The views are for other
/// contracts: each takes the head or commit itself, never a bare digest, and reverts where what it was asked does not
/// hold, so that a caller cannot forget to look at an answer.
///
/// What it assumes of others: fewer than a third of a committee lies (else a false state or entry can be certified, but
/// even then nothing anchored can be rewritten), and its machine marks commits for the chain at a cadence (else heads
/// leave the window sooner than users expect).
interface IComponentRegistry {
    /// @notice A component stands at its genesis head (anchor index 0, an empty log).
    /// @param signers The genesis committee, ascending.
    /// @param details What it commits to beside its signers (spec §5.1).
    event Registered(
        ComponentKey indexed component,
        bytes32 indexed componentId,
        address[] signers,
        bytes32 details,
        PackedHead head
    );

    /// @notice A component has a new newest head. Its committee and epoch differ from the head before where the commit
    /// decided a rotation.
    /// @param commit Digest of the anchored commit (EIP-712 hashStruct).
    event Anchored(ComponentKey indexed component, bytes32 commit, PackedHead head);

    /// @notice The head anchored in the same call is the component's last (spec §9).
    event Retired(
        ComponentKey indexed component,
        ComponentKey indexed successor,
        uint64 effectiveHeight,
        string reason
    );

    /// @notice Nobody registered this component.
    error ComponentRegistryUnknown(ComponentKey component);

    /// @notice The head is not the newest one: another anchor came first, or it is not a head of this component.
    /// @param anchorIndex As the head says of itself.
    error ComponentRegistryNotNewest(ComponentKey component, uint64 anchorIndex);

    /// @notice The head is not among the newest eight: it was replaced, or it is not a head of this component.
    error ComponentRegistryNotInWindow(ComponentKey component, uint64 anchorIndex);

    /// @notice The component is retired: nothing of it anchors and nobody speaks for it any more.
    error ComponentRegistryRetired(ComponentKey component);

    /// @notice The commit belongs to another epoch than the head.
    error ComponentRegistryOtherEpoch(uint64 headEpoch, uint64 commitEpoch);

    /// @notice The commit is not higher than the anchored one.
    error ComponentRegistryHeightNotIncreasing(uint64 anchoredHeight, uint64 submittedHeight);

    /// @notice The commit does not extend the anchored log.
    /// @param anchoredSize Leaves under the anchored root.
    /// @param submittedSize Leaves under the submitted root; must be greater.
    error ComponentRegistrySizeNotIncreasing(uint64 anchoredSize, uint64 submittedSize);

    /// @notice The commit is from more than a minute ahead of the block.
    error ComponentRegistryTimestampAhead(uint64 timestampMs, uint256 blockTimestampMs);

    /// @notice The ring has no lap left: some 2^35 anchors were made.
    error ComponentRegistryRingExhausted(ComponentKey component);

    /// @notice The head is older than the caller accepts.
    error ComponentRegistryHeadTooOld(uint256 ageMs, uint256 maxAgeMs);

    /// @notice The item is not under the head's state root.
    error ComponentRegistryItemNotInState(bytes32 state, bytes32 leaf);

    /// @notice A leaf is longer than 65,535 bytes, or a state proof than 64 nodes.
    error ComponentRegistryArgumentTooLong(uint256 size, uint256 sizeMax);

    /// @notice Registers a component at its genesis head; does nothing where it exists (spec §7.1).
    /// @param componentId BLAKE3 component id (spec §3), opaque here.
    /// @param committee The genesis committee.
    /// @return component The key of both.
    /// @custom:gas 366,000 at most, as a whole transaction: 256 members.
    function register(bytes32 componentId, Committee calldata committee) external returns (ComponentKey component);

    /// @notice Anchors a certified commit as the newest head of its component's log, with the rotation or retirement that
    /// it decides, if any (spec §7.2).
    /// @param packed The previous head, the commit, its certificate, the consistency proof and the preimage of
    /// `commit.next`, as `libraries/AnchorCall.sol` draws them.
    /// @custom:gas 1,301,500 at most, as a whole transaction: 256 signatures, the longest proof and reason.
    function anchor(bytes calldata packed) external;

    /// @notice Refuses unless a quorum of the current epoch's committee certified `commit`.
    /// @dev The commit need not be anchored, nor be anchored ever, and may be older than the head: it was decided, that
    /// is all. An epoch's certificates stop verifying when the next epoch's first head stands, and all at retirement.
    /// @param head The newest head of `commit.component`.
    /// @custom:gas 1,152,000 at most, as a whole transaction: 256 members who all sign.
    function verifyCertificate(
        Head calldata head,
        Commit calldata commit,
        Certificate calldata certificate
    ) external view;

    /// @notice Refuses unless `leaf` stands at `index` of the component's log.
    /// @param head Any of the newest eight heads.
    /// @param leaf The leaf's bytes, at most 65,535.
    /// @param proof RFC 9162 inclusion proof, from the leaf's sibling upward.
    /// @custom:gas 2,736,000 at most, as a whole transaction: 65,535 bytes and 64 nodes.
    function verifyInclusion(
        ComponentKey component,
        Head calldata head,
        uint64 index,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) external view;

    /// @notice Refuses unless `item` is in the component's state, which is young enough.
    /// @param head The newest head: an older state may have been revoked.
    /// @param item Its leaf is the double keccak-256 of its ABI encoding.
    /// @param proof Sorted-pair Merkle proof as OpenZeppelin's MerkleProof checks it, at most 64 nodes.
    /// @param maxAgeMs The greatest accepted age: block time minus the head's `timestampMs`, in milliseconds; a head from
    /// the future has age 0.
    /// @custom:gas 117,500 at most, as a whole transaction: 64 nodes.
    function verifyStateItem(
        ComponentKey component,
        Head calldata head,
        StateItem calldata item,
        bytes32[] calldata proof,
        uint256 maxAgeMs
    ) external view;

    /// @return Whether `head` is the component's newest head.
    /// @custom:gas 30,000 at most, as a whole transaction: any head.
    function isNewest(ComponentKey component, Head calldata head) external view returns (bool);

    /// @return Whether `head` is one of the component's newest eight.
    /// @custom:gas 30,000 at most, as a whole transaction: any head.
    function isInWindow(ComponentKey component, Head calldata head) external view returns (bool);

    /// @return Whether the component is retired, for good.
    /// @custom:gas 24,200 at most, as a whole transaction: any component.
    function isRetired(ComponentKey component) external view returns (bool);

    /// @return The successor (zero: none) and when; all zero where the component is not retired.
    /// @custom:gas 26,600 at most, as a whole transaction: any component.
    function retirementOf(ComponentKey component) external view returns (Retirement memory);

    /// @notice The stored word, for whoever rebuilds heads from events and checks them.
    /// @param position 0 to 7: anchor index mod 8.
    /// @return `uint32 lap ‖ 224-bit digest`; zero where nothing was ever stored.
    /// @custom:gas 24,700 at most, as a whole transaction: any position.
    function ringWord(ComponentKey component, uint256 position) external view returns (bytes32);
}
