// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../interfaces/IComponentRegistry.sol";
import {ComponentKey} from "../types/ComponentKey.sol";
import {Head} from "../types/Head.sol";

/// @title ChronicleEscrow
/// @notice An example of a third party: holds a payment until an operator's statement stands in a Chronicle's log.
/// @dev It trusts the registry's code and the Chronicle's committee, and no worker, server or key of ours. What it shows:
/// give the registry the leaf's own bytes, built here from what the contract expects, and never a hash that a caller
/// brings; and pin component, submitter and statement when the terms are agreed.
contract ChronicleEscrow {
    /// @notice The payment was released by the entry at `leafIndex`.
    event Released(uint64 leafIndex, uint256 amountWei);

    /// @notice The statement is not the one agreed on.
    error ChronicleEscrowOtherStatement(bytes32 agreed, bytes32 given);

    /// @notice The payment was released before.
    error ChronicleEscrowReleased();

    /// @notice The beneficiary did not take the payment.
    error ChronicleEscrowPaymentRefused();

    /// @dev First word of the Chronicle's leaf for an operator statement (spec §4, §10).
    bytes32 private constant OPERATOR_STATEMENT_TYPEHASH = keccak256(
        "OperatorStatement(address submitter,uint64 sequence,uint32 index,bytes statement)"
    );

    IComponentRegistry public immutable REGISTRY;
    ComponentKey public immutable CHRONICLE;
    address public immutable SUBMITTER;
    bytes32 public immutable STATEMENT_HASH;
    address payable public immutable BENEFICIARY;

    bool public isReleased;

    /// @param submitter The operator whose statement it must be.
    /// @param statementHash keccak-256 of the statement's bytes.
    constructor(
        IComponentRegistry registry,
        ComponentKey chronicle,
        address submitter,
        bytes32 statementHash,
        address payable beneficiary
    ) payable {
        REGISTRY = registry;
        CHRONICLE = chronicle;
        SUBMITTER = submitter;
        STATEMENT_HASH = statementHash;
        BENEFICIARY = beneficiary;
    }

    /// @notice Releases the payment on proof of the entry. Anyone may call: the proof is the authority.
    /// @param head One of the Chronicle's newest eight heads, as its event gave it.
    /// @param leafIndex Place of the entry in the log.
    /// @param sequence The submitter's envelope that carried the statement.
    /// @param index Place of the statement in that envelope.
    /// @param proof RFC 9162 inclusion proof of the entry under `head.logRoot`.
    function release(
        Head calldata head,
        uint64 leafIndex,
        uint64 sequence,
        uint32 index,
        bytes calldata statement,
        bytes32[] calldata proof
    ) external {
        if (isReleased) revert ChronicleEscrowReleased();
        if (keccak256(statement) != STATEMENT_HASH) {
            revert ChronicleEscrowOtherStatement(STATEMENT_HASH, keccak256(statement));
        }
        bytes memory leaf = abi.encode(OPERATOR_STATEMENT_TYPEHASH, SUBMITTER, sequence, index, statement);
        REGISTRY.verifyInclusion(CHRONICLE, head, leafIndex, leaf, proof);

        isReleased = true;
        uint256 amountWei = address(this).balance;
        emit Released(leafIndex, amountWei);
        (bool isPaid, ) = BENEFICIARY.call{value: amountWei}("");
        if (!isPaid) revert ChronicleEscrowPaymentRefused();
    }
}
