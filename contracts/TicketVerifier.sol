// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "./interfaces/IComponentRegistry.sol";
import {ITicketVerifier, TicketProof} from "./interfaces/ITicketVerifier.sol";
import {ComponentKey} from "./types/ComponentKey.sol";
import {Ticket, Tickets} from "./types/Ticket.sol";

/// @title TicketVerifier
/// @notice Checks tickets against what the component registry knows of their issuer (spec §10).
/// @dev Invariants, each tested under the same name:
///   T1 revokedIsRefused: a revoked ticket is refused under every head.
///   T2 onlyIssuedIsAccepted: a ticket is accepted only with its leaf in the issuer's anchored log.
/// Storage: none. Powers: none.
contract TicketVerifier is ITicketVerifier {
    uint256 private constant PROOF_NODES_MAX = 64;

    /// @inheritdoc ITicketVerifier
    IComponentRegistry public immutable REGISTRY;

    constructor(IComponentRegistry registry) {
        REGISTRY = registry;
    }

    /// @inheritdoc ITicketVerifier
    function verifyTicket(
        ComponentKey issuer,
        Ticket calldata ticket,
        TicketProof calldata proof,
        bytes32 audience,
        uint256 maxAgeMs
    ) external view returns (bytes32 ticketHash) {
        if (ticket.audience != audience) revert TicketVerifierOtherAudience(audience, ticket.audience);
        if (block.timestamp < ticket.notBefore) revert TicketVerifierNotYetValid(ticket.notBefore, block.timestamp);
        if (block.timestamp > ticket.notAfter) revert TicketVerifierExpired(ticket.notAfter, block.timestamp);
        // Before the registry is called: what it is given is copied first.
        _requireLength(proof.inclusionProof.length);
        _requireLength(proof.statusProof.length);
        if (REGISTRY.isRetired(issuer)) revert TicketVerifierIssuerRetired(issuer);

        ticketHash = ticket.hash();
        REGISTRY.verifyInclusion(
            issuer,
            proof.issuedUnder,
            proof.leafIndex,
            Tickets.issuanceLeaf(ticketHash),
            proof.inclusionProof
        );
        REGISTRY.verifyStateItem(issuer, proof.newest, Tickets.validStatus(ticketHash), proof.statusProof, maxAgeMs);
    }

    function _requireLength(uint256 nodeCount) private pure {
        if (nodeCount > PROOF_NODES_MAX) revert TicketVerifierProofTooLong(nodeCount);
    }
}
