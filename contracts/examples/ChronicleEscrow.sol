// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../interfaces/IComponentRegistry.sol";
import {ComponentKey} from "../types/ComponentKey.sol";
import {Head} from "../types/Head.sol";

/// @title ChronicleEscrow
/// @notice An example of a third party: holds a payment until an operator's statement stands in a Chronicle's log.
/// @dev It trusts the registry's code and the Chronicle's committee, and no worker, server or key of ours. What it shows:
/// give the registry the leaf's own bytes, built here from what the contract expects, and never a hash that a caller
/// brings; pin component, submitter and statement when the terms are agreed; bound what a caller passes before it is
/// copied, and what the code that is paid may spend.
contract ChronicleEscrow {
    /// @notice The payment was released by the entry at `leafIndex`.
    event Released(uint64 leafIndex, uint256 amountWei);

    /// @notice The statement is not the one agreed on.
    error ChronicleEscrowOtherStatement(bytes32 agreed, bytes32 given);

    /// @notice The payment was released before.
    error ChronicleEscrowReleased();

    /// @notice The statement is longer than 65,312 bytes, or the proof than 64 nodes.
    error ChronicleEscrowArgumentTooLong(uint256 size, uint256 sizeMax);

    /// @notice The beneficiary did not take the payment, or not with 50,000 gas.
    error ChronicleEscrowPaymentRefused();

    /// @dev First word of the Chronicle's leaf for an operator statement (spec §4, §10).
    bytes32 private constant OPERATOR_STATEMENT_TYPEHASH = keccak256(
        "OperatorStatement(address submitter,uint64 sequence,uint32 index,bytes statement)"
    );

    /// What a Chronicle takes: an entry has at most 65,535 bytes, and the leaf around a statement takes six words (spec §6).
    uint256 private constant STATEMENT_SIZE_BYTES_MAX = 65_312;
    uint256 private constant PROOF_NODES_MAX = 64;
    /// What the beneficiary's code may spend, beside the 2,300 that come with a payment: for a wallet behind a proxy that
    /// writes down what it got.
    uint256 private constant PAYMENT_GAS_MAX = 50_000;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    IComponentRegistry public immutable REGISTRY;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    ComponentKey public immutable CHRONICLE;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    address public immutable SUBMITTER;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    bytes32 public immutable STATEMENT_HASH;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    address payable public immutable BENEFICIARY;

    /// @custom:gas 23,500 at most, as a whole transaction: it takes nothing.
    bool public isReleased;

    /// @param submitter The operator whose statement it must be.
    /// @param statementHash keccak-256 of the statement's bytes, at most 65,312: no log holds more, so that nothing could
    /// release the payment.
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
    /// @param statement The statement's bytes, at most 65,312.
    /// @param proof RFC 9162 inclusion proof of the entry under `head.logRoot`, at most 64 nodes.
    /// @custom:gas 2,726,500 at most, as a whole transaction: 65,312 bytes, 64 nodes, and a beneficiary that spends all it may.
    function release(
        Head calldata head,
        uint64 leafIndex,
        uint64 sequence,
        uint32 index,
        bytes calldata statement,
        bytes32[] calldata proof
    ) external {
        if (isReleased) revert ChronicleEscrowReleased();
        // Before anything is hashed or copied.
        _requireLength(statement.length, STATEMENT_SIZE_BYTES_MAX);
        _requireLength(proof.length, PROOF_NODES_MAX);
        if (keccak256(statement) != STATEMENT_HASH) {
            revert ChronicleEscrowOtherStatement(STATEMENT_HASH, keccak256(statement));
        }
        bytes memory leaf = abi.encode(OPERATOR_STATEMENT_TYPEHASH, SUBMITTER, sequence, index, statement);
        REGISTRY.verifyInclusion(CHRONICLE, head, leafIndex, leaf, proof);

        isReleased = true;
        uint256 amountWei = address(this).balance;
        emit Released(leafIndex, amountWei);
        (bool isPaid, ) = BENEFICIARY.call{value: amountWei, gas: PAYMENT_GAS_MAX}("");
        if (!isPaid) revert ChronicleEscrowPaymentRefused();
    }

    function _requireLength(uint256 length, uint256 lengthMax) private pure {
        if (length > lengthMax) revert ChronicleEscrowArgumentTooLong(length, lengthMax);
    }
}
