// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {StateItem} from "./StateItem.sol";

/// @notice What an issuer promises one holder (spec §10). The holder alone has it: the issuer's log shows only its hash.
struct Ticket {
    /// The issuer's own name for it.
    bytes32 ticketId;
    /// Who may use it: whoever is shown the ticket compares this with its caller.
    address subject;
    /// Whom it is for, as the consumer names itself.
    bytes32 audience;
    /// First second in which it is valid, since the Unix epoch.
    uint64 notBefore;
    /// Last second in which it is valid, since the Unix epoch.
    uint64 notAfter;
    /// 32 random bytes, so that nobody finds the rest by guessing.
    bytes32 salt;
}

using Tickets for Ticket global;

/// @title Tickets
/// @notice The hash of a ticket, and what an issuer's log and state hold of it. Pure, and of use to any contract.
library Tickets {
    bytes32 internal constant TICKET_TYPEHASH = keccak256(
        "Ticket(bytes32 ticketId,address subject,bytes32 audience,uint64 notBefore,uint64 notAfter,bytes32 salt)"
    );
    bytes32 internal constant TICKET_ISSUED_TYPEHASH = keccak256("TicketIssued(bytes32 ticketHash)");
    bytes32 internal constant TICKET_STATUS_TYPEHASH = keccak256("TicketStatus(bytes32 ticketHash,uint256 status)");

    /// The one status under which a ticket may be used; revocation gives it another.
    uint256 internal constant STATUS_VALID = 1;

    /// @return keccak256(abi.encode(TICKET_TYPEHASH, ticket)).
    function hash(Ticket calldata ticket) internal pure returns (bytes32) {
        return keccak256(abi.encode(TICKET_TYPEHASH, ticket));
    }

    /// @return The leaf of the issuer's log that says that the ticket was issued.
    function issuanceLeaf(bytes32 ticketHash) internal pure returns (bytes memory) {
        return abi.encode(TICKET_ISSUED_TYPEHASH, ticketHash);
    }

    /// @return The item of the issuer's state that says that the ticket may still be used.
    function validStatus(bytes32 ticketHash) internal pure returns (StateItem memory) {
        return StateItem({typehash: TICKET_STATUS_TYPEHASH, key: ticketHash, value: bytes32(STATUS_VALID)});
    }
}
