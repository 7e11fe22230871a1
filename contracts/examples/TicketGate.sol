// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITicketVerifier, TicketProof} from "../interfaces/ITicketVerifier.sol";
import {ComponentKey} from "../types/ComponentKey.sol";
import {Ticket} from "../types/Ticket.sol";

/// @title TicketGate
/// @notice An example of a third party: admits whoever holds a ticket of a coalition's issuer, once a ticket.
/// @dev What it shows: pin the issuer; name yourself as the audience, here by chain and address, so that a ticket for one
/// gate opens no other; compare the ticket's subject with the caller, because a ticket that was used is public; and bound
/// the proofs before they are copied.
contract TicketGate {
    /// @notice The holder of a ticket came in.
    event Admitted(address indexed subject, bytes32 indexed ticketHash);

    /// @notice The ticket is somebody else's.
    error TicketGateOtherSubject(address subject, address caller);

    /// @notice The ticket was used before.
    error TicketGateUsed(bytes32 ticketHash);

    /// @notice A proof has more than 64 nodes.
    error TicketGateProofTooLong(uint256 nodeCount);

    uint256 private constant PROOF_NODES_MAX = 64;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    ITicketVerifier public immutable VERIFIER;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    ComponentKey public immutable ISSUER;

    /// @notice How long a revocation may take to reach the gate, in milliseconds.
    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    uint256 public immutable MAX_AGE_MS;

    /// @custom:gas 24,400 at most, as a whole transaction: any ticket.
    mapping(bytes32 ticketHash => bool isUsed) public isUsed;

    constructor(ITicketVerifier verifier, ComponentKey issuer, uint256 maxAgeMs) {
        VERIFIER = verifier;
        ISSUER = issuer;
        MAX_AGE_MS = maxAgeMs;
    }

    /// @notice Admits the caller on a ticket of its own.
    /// @custom:gas 208,000 at most, as a whole transaction: 64 nodes in either proof.
    function enter(Ticket calldata ticket, TicketProof calldata proof) external {
        if (ticket.subject != msg.sender) revert TicketGateOtherSubject(ticket.subject, msg.sender);
        _requireLength(proof.inclusionProof.length);
        _requireLength(proof.statusProof.length);
        bytes32 ticketHash = VERIFIER.verifyTicket(ISSUER, ticket, proof, audience(), MAX_AGE_MS);
        if (isUsed[ticketHash]) revert TicketGateUsed(ticketHash);

        isUsed[ticketHash] = true;
        emit Admitted(msg.sender, ticketHash);
    }

    /// @return Whom a ticket for this gate must be for.
    /// @custom:gas 21,700 at most, as a whole transaction: it takes nothing.
    function audience() public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this)));
    }

    function _requireLength(uint256 nodeCount) private pure {
        if (nodeCount > PROOF_NODES_MAX) revert TicketGateProofTooLong(nodeCount);
    }
}
