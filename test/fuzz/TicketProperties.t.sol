// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../../contracts/interfaces/IComponentRegistry.sol";
import {ITicketVerifier, TicketProof} from "../../contracts/interfaces/ITicketVerifier.sol";
import {Head} from "../../contracts/types/Head.sol";
import {Ticket} from "../../contracts/types/Ticket.sol";
import {RegistryDriver} from "./RegistryDriver.sol";
import {Draft} from "./TestCommittee.sol";
import {deploy} from "./Vm.sol";

/// @title TicketProperties
/// @notice What no ticket may do, over random revocations: the issuer is a component whose log got eight issuances at
/// once, and whose state, at each anchor after, says which of them are revoked (spec §10).
contract TicketProperties is RegistryDriver {
    uint256 private constant ISSUER = 2;
    uint256 private constant TICKET_COUNT = 8;
    uint256 private constant ANCHOR_COUNT = 10;
    uint256 private constant VALID = 1;
    uint256 private constant MAX_AGE_MS = 3_600_000;
    bytes32 private constant AUDIENCE = keccak256("audience");
    bytes32 private constant TICKET_TYPEHASH = keccak256(
        "Ticket(bytes32 ticketId,address subject,bytes32 audience,uint64 notBefore,uint64 notAfter,bytes32 salt)"
    );

    ITicketVerifier private _verifier;
    Ticket[TICKET_COUNT] private _tickets;
    bytes32[TICKET_COUNT] private _hashes;
    /// The log's size before the first issuance, and the first anchor that has them all.
    uint256 private _firstLeaf;
    uint256 private _firstHead;
    uint256[TICKET_COUNT] private _statuses;
    /// What the state held at each anchor, by the anchor's index.
    mapping(uint256 anchorIndex => uint256[TICKET_COUNT] statuses) private _anchored;

    constructor() RegistryDriver(IComponentRegistry(deploy("ComponentRegistry.sol:ComponentRegistry", ""))) {
        _verifier = ITicketVerifier(deploy("TicketVerifier.sol:TicketVerifier", abi.encode(registry)));
        _firstLeaf = _newest(ISSUER).logSize;
        _firstHead = models[ISSUER].heads.length;
        for (uint256 k = 0; k < TICKET_COUNT; ++k) {
            _tickets[k] = Ticket({
                ticketId: keccak256(abi.encode("ticket", k)),
                subject: members[k].account,
                audience: AUDIENCE,
                notBefore: uint64(nowSeconds - 60),
                notAfter: uint64(nowSeconds + 3_600),
                salt: keccak256(abi.encode("salt", k))
            });
            _hashes[k] = _hash(_tickets[k]);
            _statuses[k] = VALID;
            bytes32 typehash = keccak256("TicketIssued(bytes32 ticketHash)");
            models[ISSUER].log.given[_firstLeaf + k] = abi.encode(typehash, _hashes[k]);
        }
        // The seed that appends as many leaves as there are tickets.
        _anchorStatuses((TICKET_COUNT - 1) << 8);
    }

    function testFuzz_revokedIsRefusedUnderEveryHead(uint256 seed) public {
        bool[TICKET_COUNT] memory isRevoked;
        for (uint256 step = 0; step < ANCHOR_COUNT; ++step) {
            uint256 random = uint256(keccak256(abi.encode(seed, step)));
            uint256 k = random % TICKET_COUNT;
            if (!isRevoked[k]) _requireAccepted(k);
            // Now and then nothing but a heartbeat. Any status but the one is a revocation.
            if ((random >> 8) % 4 != 0) {
                _statuses[k] = (random >> 16) % 2 == 0 ? 2 : random | 2;
                isRevoked[k] = true;
            }
            _anchorStatuses(random >> 32);
            if (isRevoked[k]) _requireRefusedUnder(k, _newestIndex());
        }
        for (uint256 k = 0; k < TICKET_COUNT; ++k) {
            if (isRevoked[k]) _requireRefusedUnderEveryHead(k);
            else _requireAccepted(k);
        }
    }

    function testFuzz_unissuedIsRefused(uint256 seed, bytes32 other) public {
        uint256 k = seed % TICKET_COUNT;
        Ticket memory ticket = _tickets[k];
        TicketProof memory proof = _prove(k, _newestIndex(), _newestIndex(), _newestIndex());
        uint256 field = (seed >> 8) % 5;
        if (field == 0) ticket.ticketId = other;
        if (field == 1) ticket.subject = address(bytes20(other));
        if (field == 2) ticket.notBefore = uint64(uint256(other) % block.timestamp);
        if (field == 3) ticket.notAfter = uint64(block.timestamp + uint256(uint64(uint256(other) >> 1)));
        if (field == 4) ticket.salt = other;
        if (_hash(ticket) == _hashes[k]) return;
        _requireRefused(ticket, proof);
        // Another's place and status do not help.
        _requireRefused(ticket, _prove((k + 1) % TICKET_COUNT, _newestIndex(), _newestIndex(), _newestIndex()));
        _requireAccepted(k);
    }

    function _requireAccepted(uint256 k) private {
        TicketProof memory proof = _prove(k, _newestIndex(), _newestIndex(), _newestIndex());
        bytes32 accepted = _verifier.verifyTicket(models[ISSUER].key, _tickets[k], proof, AUDIENCE, MAX_AGE_MS);
        require(accepted == _hashes[k], "another ticket's hash");
    }

    function _requireRefusedUnderEveryHead(uint256 k) private {
        for (uint256 shown = _firstHead; shown <= _newestIndex(); ++shown) _requireRefusedUnder(k, shown);
    }

    /// @dev As issued under that head, as valid under it, and with its state's proof under the newest.
    function _requireRefusedUnder(uint256 k, uint256 shown) private {
        uint256 last = _newestIndex();
        _requireRefused(_tickets[k], _prove(k, shown, shown, shown));
        _requireRefused(_tickets[k], _prove(k, last, shown, shown));
        _requireRefused(_tickets[k], _prove(k, shown, last, shown));
    }

    function _requireRefused(Ticket memory ticket, TicketProof memory proof) private view {
        try _verifier.verifyTicket(models[ISSUER].key, ticket, proof, AUDIENCE, MAX_AGE_MS) {
            revert("a ticket was accepted");
        } catch (bytes memory reason) {
            bool isNamed = reason.length >= 4 && bytes4(reason) != bytes4(keccak256("Panic(uint256)"));
            require(isNamed, "refused without a name");
        }
    }

    function _newestIndex() private view returns (uint256) {
        return models[ISSUER].heads.length - 1;
    }

    /// @param state The anchor whose state the proof of the status is of.
    function _prove(
        uint256 k,
        uint256 issuedUnder,
        uint256 newest,
        uint256 state
    ) private returns (TicketProof memory proof) {
        Head[] storage heads = models[ISSUER].heads;
        proof.issuedUnder = heads[issuedUnder];
        proof.newest = heads[newest];
        proof.leafIndex = uint64(_firstLeaf + k);
        proof.inclusionProof = models[ISSUER].log.proveInclusion(proof.leafIndex, proof.issuedUnder.logSize);
        (, proof.statusProof) = _stateTree(_anchored[state], k);
    }

    /// @dev One honest anchor whose state says what `_statuses` does.
    function _anchorStatuses(uint256 seed) private {
        Draft memory draft = _prepare(ISSUER, seed);
        (draft.commit.state, ) = _stateTree(_statuses, 0);
        draft.signed = _precommitDigest(draft.commit, draft.round);
        _anchored[models[ISSUER].heads.length] = _statuses;
        _anchorHonestly(ISSUER, draft);
    }

    /// @return root Of the state tree, as OpenZeppelin's MerkleProof climbs it.
    /// @return proof Of ticket `k`'s status.
    function _stateTree(
        uint256[TICKET_COUNT] storage statuses,
        uint256 k
    ) private view returns (bytes32 root, bytes32[] memory proof) {
        bytes32 typehash = keccak256("TicketStatus(bytes32 ticketHash,uint256 status)");
        bytes32[] memory nodes = new bytes32[](TICKET_COUNT);
        for (uint256 i = 0; i < TICKET_COUNT; ++i) {
            nodes[i] = keccak256(abi.encode(keccak256(abi.encode(typehash, _hashes[i], statuses[i]))));
        }
        proof = new bytes32[](3);
        for (uint256 level = 0; level < 3; ++level) {
            proof[level] = nodes[k ^ 1];
            for (uint256 i = 0; i < TICKET_COUNT >> (level + 1); ++i) {
                (bytes32 a, bytes32 b) = (nodes[2 * i], nodes[2 * i + 1]);
                nodes[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
            }
            k /= 2;
        }
        root = nodes[0];
    }

    function _hash(Ticket memory ticket) private pure returns (bytes32) {
        return keccak256(abi.encode(TICKET_TYPEHASH, ticket));
    }
}
