// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Rfc9162
/// @notice Merkle logs of RFC 9162 §2.1 with SHA-256: that a leaf is in a log, and that a log only grew. Of use to any
/// contract on its own.
/// @dev What a caller must know: a root proves nothing until the caller trusts it, and a leaf hash is not a leaf. Hash
/// the leaf here (`hashLeaf`), or a node of the tree could pose as one.
///
/// Both proofs climb from a node of the tree at index `fn` of its level, while the level's last node stands at `sn`.
/// While the two differ, bit 0 of `fn` tells on which side the sibling stands. Once they are equal the path runs along
/// the tree's right edge: left siblings alone are left, one for each bit set in `fn`. That is the algorithm of the RFC
/// with its inner loop unfolded. Sizes are below 2^64, so no path takes more than 64 siblings, whatever is passed.
library Rfc9162 {
    /// @notice No proof connects these sizes: the old one must be positive and less than the new one.
    error Rfc9162SizesUnusable(uint256 oldSize, uint256 newSize);

    /// @notice There is no leaf of this index.
    error Rfc9162IndexOutOfRange(uint256 index, uint256 size);

    /// @notice The proof has more or fewer nodes than the path it must follow.
    error Rfc9162ProofLengthWrong(uint256 nodeCount);

    /// @notice The proof leads to another root.
    error Rfc9162RootMismatch(bytes32 expected, bytes32 computed);

    /// @notice Refuses unless the leaf stands at `index` under `root` (RFC 9162 §2.1.3.2).
    /// @param size Leaves under `root`, below 2^64.
    /// @param leafHash From `hashLeaf`.
    /// @param proof From the leaf's sibling upward.
    function requireIncluded(
        uint256 index,
        uint256 size,
        bytes32 root,
        bytes32 leafHash,
        bytes32[] calldata proof
    ) internal view {
        if (index >= size) revert Rfc9162IndexOutOfRange(index, size);
        uint256 fn = index;
        uint256 sn = size - 1;
        bytes32 computed = leafHash;
        uint256 used = 0;
        for (; fn != sn; ++used) {
            if (used == proof.length) revert Rfc9162ProofLengthWrong(proof.length);
            computed = fn & 1 == 1 ? _hashNode(proof[used], computed) : _hashNode(computed, proof[used]);
            fn >>= 1;
            sn >>= 1;
        }
        for (; fn != 0; ++used) {
            if (used == proof.length) revert Rfc9162ProofLengthWrong(proof.length);
            computed = _hashNode(proof[used], computed);
            fn &= fn - 1;
        }
        if (used != proof.length) revert Rfc9162ProofLengthWrong(proof.length);
        if (computed != root) revert Rfc9162RootMismatch(root, computed);
    }

    /// @notice Refuses unless the log of `newRoot` begins with the log of `oldRoot` (RFC 9162 §2.1.4.2).
    /// @param oldSize Leaves under `oldRoot`.
    /// @param newSize Leaves under `newRoot`, below 2^64.
    function requireConsistent(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal view {
        if (oldSize == 0 || oldSize >= newSize) revert Rfc9162SizesUnusable(oldSize, newSize);
        bytes32 computed = extend(oldSize, oldRoot, newSize, proof);
        if (computed != newRoot) revert Rfc9162RootMismatch(newRoot, computed);
    }

    /// @notice The root that the proof leads to from `oldRoot`: the only one, so a caller who was given the proof need
    /// not be given the root. Refuses where the proof does not reproduce `oldRoot`.
    /// @param oldSize The caller has made sure that it is positive: an empty log has no proof, as every log extends it.
    /// @param newSize The caller has made sure that it is greater than `oldSize` and below 2^64.
    function extend(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32[] calldata proof
    ) internal view returns (bytes32 newRoot) {
        bytes32 computed;
        bool isWhole;
        // Assembly, because an anchor spends most of its own gas in these loops, and Solidity's checks of a calldata index
        // and copies for `sha256` cost more than the hash. Safe: it writes only beyond the free memory pointer; nodes that
        // it reads beyond the proof show in the comparison of `node` with `end`. A hash fails only for want of gas, when at
        // most one part in 64 of its price is left: too little for the comparisons after, so that the call fails whole.
        assembly ("memory-safe") {
            // Two inputs of 65 bytes, the node prefix 0x01 and two children. The right child is also where each hash goes:
            // the node that climbs in the old log, and the one that climbs in the new.
            let oldInput := add(mload(0x40), 0x1f)
            let newInput := add(oldInput, 0x60)
            mstore8(oldInput, 1)
            mstore8(newInput, 1)
            let oldNode := add(oldInput, 0x21)
            let newNode := add(newInput, 0x21)

            // Both climb from the greatest complete subtree that ends the old log. It is the old log itself where that is
            // one complete tree; else it is the proof's first node.
            let subtreeSize := and(oldSize, sub(0, oldSize))
            let fn := div(sub(oldSize, 1), subtreeSize)
            let sn := div(sub(newSize, 1), subtreeSize)
            let node := proof.offset
            let end := add(node, shl(5, proof.length))
            switch fn
            case 0 {
                mstore(oldNode, oldRoot)
            }
            default {
                calldatacopy(oldNode, node, 0x20)
                node := add(node, 0x20)
            }
            mstore(newNode, mload(oldNode))

            for {} xor(fn, sn) {} {
                switch and(fn, 1)
                case 0 {
                    mstore(add(newInput, 1), mload(newNode))
                    calldatacopy(newNode, node, 0x20)
                }
                default {
                    calldatacopy(add(oldInput, 1), node, 0x20)
                    calldatacopy(add(newInput, 1), node, 0x20)
                    pop(staticcall(gas(), 2, oldInput, 65, oldNode, 0x20))
                }
                pop(staticcall(gas(), 2, newInput, 65, newNode, 0x20))
                node := add(node, 0x20)
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            for {} fn {} {
                calldatacopy(add(oldInput, 1), node, 0x20)
                calldatacopy(add(newInput, 1), node, 0x20)
                pop(staticcall(gas(), 2, oldInput, 65, oldNode, 0x20))
                pop(staticcall(gas(), 2, newInput, 65, newNode, 0x20))
                node := add(node, 0x20)
                fn := and(fn, sub(fn, 1))
            }
            isWhole := eq(node, end)
            computed := mload(oldNode)
            newRoot := mload(newNode)
        }
        if (!isWhole) revert Rfc9162ProofLengthWrong(proof.length);
        if (computed != oldRoot) revert Rfc9162RootMismatch(oldRoot, computed);
    }

    /// @return SHA-256(0x00 ‖ leaf) (RFC 9162 §2.1.1).
    function hashLeaf(bytes calldata leaf) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), leaf));
    }

    /// @return node SHA-256(0x01 ‖ left ‖ right).
    function _hashNode(bytes32 left, bytes32 right) private view returns (bytes32 node) {
        // Assembly, because `sha256(abi.encodePacked(…))` allocates memory in every call, twice the price of the hash.
        // Safe: writes only beyond the free memory pointer and in scratch space; a hash fails only for want of gas, as above.
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, 1)
            mstore(add(input, 0x20), left)
            mstore(add(input, 0x40), right)
            pop(staticcall(gas(), 2, add(input, 0x1f), 65, 0x00, 0x20))
            node := mload(0x00)
        }
    }
}
