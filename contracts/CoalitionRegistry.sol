// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICoalitionRegistry, Publication} from "./interfaces/ICoalitionRegistry.sol";

/// @title CoalitionRegistry
/// @notice Remembers which config each operator published last under a coalition's name (spec §7.2).
/// @dev Invariants, each tested under the same name:
///   C1 operatorsAreApart: what one address publishes changes nothing of another's.
/// Storage: slot 0 `_latest`, two words an operator and coalition; slot 1 `_published`, one word an operator and config.
/// Powers: none. No owner, pause or upgrade.
contract CoalitionRegistry is ICoalitionRegistry {
    uint256 private constant CONFIG_SIZE_BYTES_MAX = 122_880;

    mapping(address operator => mapping(bytes32 coalition => Publication publication)) private _latest;
    mapping(address operator => mapping(bytes32 coalitionId => bool isPublished)) private _published;

    /// @inheritdoc ICoalitionRegistry
    function publish(bytes32 coalition, bytes32 coalitionId, bytes calldata config) external returns (uint64 sequence) {
        if (coalition == 0 || coalitionId == 0) revert CoalitionRegistryIdZero();
        if (config.length == 0 || config.length > CONFIG_SIZE_BYTES_MAX) {
            revert CoalitionRegistryConfigSizeUnusable(config.length, CONFIG_SIZE_BYTES_MAX);
        }
        sequence = _latest[msg.sender][coalition].sequence + 1;
        _latest[msg.sender][coalition] = Publication(coalitionId, sequence, uint64(block.timestamp));
        _published[msg.sender][coalitionId] = true;
        emit Published(msg.sender, coalition, coalitionId, sequence, config);
    }

    /// @inheritdoc ICoalitionRegistry
    function latest(address operator, bytes32 coalition) external view returns (Publication memory) {
        return _latest[operator][coalition];
    }

    /// @inheritdoc ICoalitionRegistry
    function isPublished(address operator, bytes32 coalitionId) external view returns (bool) {
        return _published[operator][coalitionId];
    }
}
