// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A log whose leaves follow from a salt, but for those that were given, with each complete subtree remembered once it was hashed.
struct TestLog {
    bytes32 salt;
    mapping(uint256 index => bytes leaf) given;
    mapping(uint256 place => bytes32 node) nodes;
}

// No leaf, where a log is asked for with one rewritten.
uint256 constant NONE = type(uint256).max;

using TestLogs for TestLog global;

/// @title TestLogs
/// @notice The prover's side of RFC 9162 §2.1, written from its recursive definitions and apart from `Rfc9162`.
library TestLogs {
    function leaf(TestLog storage log, uint256 index) internal view returns (bytes memory) {
        bytes memory given = log.given[index];
        return given.length == 0 ? abi.encode(log.salt, index) : given;
    }

    /// @return MTH(D[0:size]), §2.1.1.
    function root(TestLog storage log, uint256 size) internal returns (bytes32) {
        return _range(log, 0, size, NONE);
    }

    /// @return The same, of the log whose leaf `rewritten` is another.
    function rewrittenRoot(TestLog storage log, uint256 size, uint256 rewritten) internal returns (bytes32) {
        return _range(log, 0, size, rewritten);
    }

    /// @param rewritten The leaf that is another; `NONE` for the log as it is.
    /// @return proof PROOF(oldSize, D[0:newSize]), §2.1.4.1; `oldSize` is positive and at most `newSize`.
    function proveConsistency(
        TestLog storage log,
        uint256 oldSize,
        uint256 newSize,
        uint256 rewritten
    ) internal returns (bytes32[] memory proof) {
        bytes32[] memory topDown = new bytes32[](64);
        uint256 count = 0;
        uint256 from = 0;
        bool isWhole = true;
        while (oldSize != newSize) {
            uint256 half = _half(newSize);
            if (oldSize <= half) {
                topDown[count++] = _range(log, from + half, newSize - half, rewritten);
                newSize = half;
            } else {
                topDown[count++] = _range(log, from, half, rewritten);
                isWhole = false;
                from += half;
                oldSize -= half;
                newSize -= half;
            }
        }
        if (!isWhole) topDown[count++] = _range(log, from, newSize, rewritten);
        return _reversed(topDown, count);
    }

    /// @return proof What would show that a log of `size` leaves extends itself: its complete subtrees, the last first,
    /// or nothing where it is one.
    function proveNoGrowth(TestLog storage log, uint256 size) internal returns (bytes32[] memory proof) {
        if (size & (size - 1) == 0) return proof;
        bytes32[] memory topDown = new bytes32[](64);
        uint256 count = 0;
        uint256 from = 0;
        for (uint256 half = _half(size); half > 0; half /= 2) {
            if (size & half == 0) continue;
            topDown[count++] = _range(log, from, half, NONE);
            from += half;
        }
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
                topDown[count++] = _range(log, from + half, size - half, NONE);
                size = half;
            } else {
                topDown[count++] = _range(log, from, half, NONE);
                from += half;
                index -= half;
                size -= half;
            }
        }
        return _reversed(topDown, count);
    }

    /// @dev MTH(D[from:from + size]), where `from` is a multiple of the power of two that `size` does not exceed.
    function _range(TestLog storage log, uint256 from, uint256 size, uint256 rewritten) private returns (bytes32 node) {
        bool isWhole = size & (size - 1) == 0;
        bool isRewritten = from <= rewritten && rewritten < from + size;
        uint256 place = (size << 128) | from;
        if (isWhole && !isRewritten) {
            node = log.nodes[place];
            if (node != 0) return node;
        }
        if (size == 1) {
            node = sha256(abi.encodePacked(bytes1(0x00), isRewritten ? bytes("rewritten") : leaf(log, from)));
        } else {
            uint256 half = _half(size);
            node = _hashNode(_range(log, from, half, rewritten), _range(log, from + half, size - half, rewritten));
        }
        if (isWhole && !isRewritten) log.nodes[place] = node;
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
