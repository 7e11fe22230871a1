// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IComponentRegistry} from "../interfaces/IComponentRegistry.sol";
import {ComponentKey} from "../types/ComponentKey.sol";
import {Head} from "../types/Head.sol";
import {StateItem} from "../types/StateItem.sol";

/// @title OracleConsumer
/// @notice An example of a third party: takes a price from an oracle's state, and none from a retired oracle.
/// @dev What it shows: ask `isRetired` first and name the successor, for a head stays provable after its component ends;
/// build the state item here; bound its age, because an oracle may also fall silent without a marker; and bound the proof
/// before it is copied.
contract OracleConsumer {
    /// @notice A price was taken.
    event PriceTaken(bytes32 indexed feed, uint256 price, uint64 timestampMs);

    /// @notice The oracle is retired. Whether to follow its successor (zero: none) is the users' decision, not the code's.
    error OracleConsumerOracleRetired(ComponentKey oracle, ComponentKey successor);

    /// @notice The price is from before the one that was taken last.
    error OracleConsumerPriceOlder(uint64 takenMs, uint64 offeredMs);

    /// @notice The proof has more than 64 nodes.
    error OracleConsumerProofTooLong(uint256 nodeCount);

    uint256 private constant PROOF_NODES_MAX = 64;
    bytes32 private constant PRICE_TYPEHASH = keccak256("Price(bytes32 feed,uint256 price)");

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    IComponentRegistry public immutable REGISTRY;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    ComponentKey public immutable ORACLE;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    bytes32 public immutable FEED;

    /// @custom:gas 21,500 at most, as a whole transaction: it takes nothing.
    uint256 public immutable MAX_AGE_MS;

    /// @custom:gas 23,500 at most, as a whole transaction: it takes nothing.
    uint256 public price;

    /// @custom:gas 23,500 at most, as a whole transaction: it takes nothing.
    uint64 public priceTimestampMs;

    constructor(IComponentRegistry registry, ComponentKey oracle, bytes32 feed, uint256 maxAgeMs) {
        REGISTRY = registry;
        ORACLE = oracle;
        FEED = feed;
        MAX_AGE_MS = maxAgeMs;
    }

    /// @notice Takes the oracle's price. Anyone may call: the proof is the authority.
    /// @param head The oracle's newest head.
    /// @param newPrice As the oracle's state has it under that head.
    /// @param proof Merkle proof of the price under `head.state`, at most 64 nodes.
    /// @custom:gas 133,000 at most, as a whole transaction: the first price, and 64 nodes.
    function takePrice(Head calldata head, uint256 newPrice, bytes32[] calldata proof) external {
        if (proof.length > PROOF_NODES_MAX) revert OracleConsumerProofTooLong(proof.length);
        if (REGISTRY.isRetired(ORACLE)) {
            revert OracleConsumerOracleRetired(ORACLE, REGISTRY.retirementOf(ORACLE).successor);
        }
        if (head.timestampMs < priceTimestampMs) revert OracleConsumerPriceOlder(priceTimestampMs, head.timestampMs);
        StateItem memory item = StateItem({typehash: PRICE_TYPEHASH, key: FEED, value: bytes32(newPrice)});
        REGISTRY.verifyStateItem(ORACLE, head, item, proof, MAX_AGE_MS);

        price = newPrice;
        priceTimestampMs = head.timestampMs;
        emit PriceTaken(FEED, newPrice, head.timestampMs);
    }
}
