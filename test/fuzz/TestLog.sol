// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A log whose leaves follow from a salt, with each complete subtree remembered once it was hashed.
struct TestLog {
    bytes32 salt;
    mapping(uint256 level => mapping(uint256 index => bytes32 node)) nodes;
}

using TestLogs for TestLog global;

/// @title TestLogs
/// @notice The prover's side of RFC 9162 §2.1, written from its recursive definitions and apart from `Rfc9162`.
library TestLogs {
    function leaf(TestLog storage log, uint256 index) internal view returns (bytes memory) {
        return abi.encode(log.salt, index);
    }

    /// @return MTH(D[0:size]), §2.1.1.
    function root(TestLog storage log, uint256 size) internal returns (bytes32) {
        return _range(log, 0, size);
    }

    /// @return proof PROOF(oldSize, D[0:newSize]), §2.1.4.1; `oldSize` is positive and at most `newSize`.
    function proveConsistency(
        TestLog storage log,
        uint256 oldSize,
        uint256 newSize
    ) internal returns (bytes32[] memory proof) {
        bytes32[] memory topDown = new bytes32[](64);
        uint256 count = 0;
        uint256 from = 0;
        bool isWhole = true;
        while (oldSize != newSize) {
            uint256 half = _half(newSize);
            if (oldSize <= half) {
                topDown[count++] = _range(log, from + half, newSize - half);
                newSize = half;
            } else {
                topDown[count++] = _range(log, from, half);
                isWhole = false;
                from += half;
                oldSize -= half;
                newSize -= half;
            }
        }
        if (!isWhole) topDown[count++] = _range(log, from, newSize);
        return _reversed(topDown, count);
    }

    /// @return proof PATH(index, D[0:size]), §2.1.3.1.
    function proveInclusion(
        TestLog storage log,
        uint256 index,
        uint256 size
    ) internal returns (bytes32[] memory proof) {
        bytes32[] memory topDown = new bytes32[](64);
        uint256 count = 0;
        uint256 from = 0;
        while (size > 1) {
            uint256 half = _half(size);
            if (index < half) {
                topDown[count++] = _range(log, from + half, size - half);
                size = half;
            } else {
                topDown[count++] = _range(log, from, half);
                from += half;
                index -= half;
                size -= half;
            }
        }
        return _reversed(topDown, count);
    }

    /// @dev MTH(D[from:from + size]), where `from` is a multiple of the power of two that `size` does not exceed.
    function _range(TestLog storage log, uint256 from, uint256 size) private returns (bytes32) {
        if (size & (size - 1) != 0) {
            uint256 half = _half(size);
            return _hashNode(_range(log, from, half), _range(log, from + half, size - half));
        }
        bytes32 known = log.nodes[size][from];
        if (known != 0) return known;
        bytes32 node =
            size == 1
                ? sha256(abi.encodePacked(bytes1(0x00), leaf(log, from)))
                : _hashNode(_range(log, from, size / 2), _range(log, from + size / 2, size / 2));
        log.nodes[size][from] = node;
        return node;
    }

    function _hashNode(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @dev The greatest power of two less than `size`, which is above one.
    function _half(uint256 size) private pure returns (uint256 half) {
        half = 1;
        while (half * 2 < size) half *= 2;
    }

    function _reversed(bytes32[] memory nodes, uint256 count) private pure returns (bytes32[] memory reversed) {
        reversed = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) reversed[i] = nodes[count - 1 - i];
    }
}
