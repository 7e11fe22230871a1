// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ComponentKey} from "../types/ComponentKey.sol";
import {Head} from "../types/Head.sol";
import {Ticket} from "../types/Ticket.sol";
import {IComponentRegistry} from "./IComponentRegistry.sol";

/// @notice What shows that a ticket was issued and may still be used.
struct TicketProof {
    /// One of the issuer's newest eight heads; its log holds the issuance.
    Head issuedUnder;
    /// Place of the issuance in that log.
    uint64 leafIndex;
    /// RFC 9162 inclusion proof of the issuance, from its sibling upward; at most 64 nodes.
    bytes32[] inclusionProof;
    /// The issuer's newest head; its state holds the ticket's status. It may be the same.
    Head newest;
    /// Merkle proof of the status, as OpenZeppelin's MerkleProof checks it; at most 64 nodes.
    bytes32[] statusProof;
}

/// @title ITicketVerifier
/// @notice Tells any contract whether a ticket of a coalition's issuer admits its subject (spec §10).
/// @dev It has no state and no powers: all that it knows is the component registry's.
///
/// What a caller must do itself: pin the issuer's component key; name itself as the audience; compare `ticket.subject`
/// with its own caller, because whoever saw a ticket used can show it again; and choose a maximum age, which is how long
/// a revocation may take to reach it, and how long the issuer may be silent before its tickets stop working.
interface ITicketVerifier {
    /// @notice The ticket is for somebody else to honour.
    error TicketVerifierOtherAudience(bytes32 expected, bytes32 audience);

    /// @notice The ticket is not valid yet.
    error TicketVerifierNotYetValid(uint64 notBefore, uint256 blockTimestamp);

    /// @notice The ticket has ended.
    error TicketVerifierExpired(uint64 notAfter, uint256 blockTimestamp);

    /// @notice The issuer is retired: nobody can revoke its tickets any more, so none is honoured.
    error TicketVerifierIssuerRetired(ComponentKey issuer);

    /// @notice A proof has more than 64 nodes.
    error TicketVerifierProofTooLong(uint256 nodeCount);

    /// @notice Refuses unless `ticket` was issued by `issuer`, is for `audience`, is in its window and is not revoked.
    /// Reverts with the registry's own error where a head, a proof or the age of the newest head is at fault.
    /// @param issuer Component key of a ticket issuer that the caller recognises.
    /// @param maxAgeMs The greatest accepted age of the issuer's newest head, in milliseconds.
    /// @return ticketHash By which the ticket can be remembered, where it may be used once only.
    /// @custom:gas 211,500 at most, as a whole transaction: 64 nodes in either proof.
    function verifyTicket(
        ComponentKey issuer,
        Ticket calldata ticket,
        TicketProof calldata proof,
        bytes32 audience,
        uint256 maxAgeMs
    ) external view returns (bytes32 ticketHash);

    /// @return The component registry that it relies on.
    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    // solhint-disable-next-line func-name-mixedcase
    function REGISTRY() external view returns (IComponentRegistry);
}
