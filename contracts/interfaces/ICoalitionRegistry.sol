// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What an operator published last under a coalition's name.
struct Publication {
    /// The config's `coalition_id()` (spec §3), as the operator says.
    bytes32 coalitionId;
    /// 1, 2, 3 … of this operator and coalition; 0: nothing was published.
    uint64 sequence;
    /// Seconds since the Unix epoch.
    uint64 publishedAt;
}

/// @title ICoalitionRegistry
/// @notice Where operators publish coalition configs under their own address, and consumers hear of changes (spec §7.2).
/// @dev A convenience and a change channel, never an authority. Anyone may publish anything under any coalition's name,
/// in their own: what counts is which operator a consumer trusts. Ids are BLAKE3, which no contract computes, so that
/// whoever reads a config derives its id from its bytes and compares. Consumers pin `(operator, coalitionId)`.
interface ICoalitionRegistry {
    /// @notice An operator published a config. The bytes stand here alone: storage keeps none of them.
    /// @param config The canonical, versioned bytes of spec §3.1.
    event Published(
        address indexed operator,
        bytes32 indexed coalition,
        bytes32 indexed coalitionId,
        uint64 sequence,
        bytes config
    );

    /// @notice A config has 1 to 122,880 bytes.
    error CoalitionRegistryConfigSizeUnusable(uint256 sizeBytes, uint256 sizeBytesMax);

    /// @notice Zero is no id.
    error CoalitionRegistryIdZero();

    /// @notice Publishes a config in the sender's own name. What was published stays so: there is no taking back.
    /// @param coalition `COALITION` of spec §3: the same for every config of one name.
    /// @param coalitionId `coalition_id()` of these bytes.
    /// @param config 1 to 122,880 bytes. Nodes take no transaction above 128 KiB.
    /// @return sequence Of this operator and coalition, from 1.
    /// @custom:gas 4,941,000 at most, as a whole transaction: 122,880 bytes.
    function publish(bytes32 coalition, bytes32 coalitionId, bytes calldata config) external returns (uint64 sequence);

    /// @return What the operator published last under this coalition; all zero where nothing.
    /// @custom:gas 27,100 at most, as a whole transaction: any operator.
    function latest(address operator, bytes32 coalition) external view returns (Publication memory);

    /// @return Whether the operator ever published this config, as a consumer that pinned it asks.
    /// @custom:gas 24,700 at most, as a whole transaction: any operator.
    function isPublished(address operator, bytes32 coalitionId) external view returns (bool);
}
