// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Committee} from "../types/Committee.sol";

/// @notice What shows that a committee decided a commit: enough signatures, and who did not sign (spec §4).
struct Certificate {
    /// The round whose precommits these are; precommits of different rounds do not add up.
    uint32 round;
    /// Bit i (of value 2^i): the member at place i of the committee signed.
    uint256 signers;
    /// 64 bytes a signer (EIP-2098), in the committee's order.
    bytes signatures;
    /// The members that did not sign, in the committee's order.
    address[] absentees;
    /// What the committee commits to beside its signers (spec §5.1).
    bytes32 details;
}

/// @title Certificates
/// @notice Checks a quorum's ECDSA signatures against one stored word, the committee's hash: signers are recovered,
/// absentees are given, and the whole list is hashed. Of use to any contract on its own.
/// @dev What a caller must know: a certificate shows that a quorum signed `digest` and no more. The caller must have the
/// committee's hash from a source that it trusts, and must know that the digest names the component and the epoch.
library Certificates {
    /// @notice A committee has 1 to 256 members.
    error CertificatesMemberCountUnusable(uint256 memberCount);

    /// @notice Fewer signatures than n − ⌊(n − 1)/3⌋.
    error CertificatesNoQuorum(uint256 memberCount, uint256 signatureCount);

    /// @notice The bitmap does not name exactly as many members as there are signatures.
    error CertificatesSignersMismatch(uint256 signers, uint256 signatureCount);

    /// @notice Signatures come in whole ones of 64 bytes.
    error CertificatesSignaturesSizeWrong(uint256 sizeBytes);

    /// @notice The signers recovered, with the absentees given, are not the committee: a signature over something else,
    /// a signature of somebody else, or a wrong absentee.
    error CertificatesOtherCommittee(bytes32 expected, bytes32 computed);

    /// @notice A signature's s is in the upper half of the curve's order, so it has a twin.
    error CertificatesHighS();

    /// @notice The committee's signers are not strictly ascending from above zero.
    error CertificatesUnordered();

    uint256 internal constant MEMBER_COUNT_MAX = 256;

    /// @dev Half the order of secp256k1, rounded up: from here on s is high.
    uint256 private constant HIGH_S_MIN = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1;

    /// @return Members that must sign: n − ⌊(n − 1)/3⌋ (spec §5.1). `memberCount` must be positive.
    function quorumOf(uint256 memberCount) internal pure returns (uint256) {
        // A third of a positive number, less one, is less than the number.
        unchecked {
            return memberCount - (memberCount - 1) / 3;
        }
    }

    /// @notice The hash that stands for a committee (spec §5.1). Refuses one that could not certify anything.
    function hashCommittee(Committee calldata committee) internal pure returns (bytes32) {
        address[] calldata signers = committee.signers;
        if (signers.length == 0 || signers.length > MEMBER_COUNT_MAX) {
            revert CertificatesMemberCountUnusable(signers.length);
        }
        address previous = address(0);
        for (uint256 i = 0; i < signers.length; ++i) {
            if (signers[i] <= previous) revert CertificatesUnordered();
            previous = signers[i];
        }
        return keccak256(abi.encode(keccak256(abi.encode(signers)), committee.details));
    }

    /// @notice Refuses unless a quorum of the committee behind `committeeHash` signed `digest`.
    /// @param digest What each member signed: `CommitHashing.precommitDigest`.
    function requireQuorum(bytes32 committeeHash, bytes32 digest, Certificate calldata certificate) internal view {
        bytes calldata signatures = certificate.signatures;
        address[] calldata absentees = certificate.absentees;
        if (signatures.length % 64 != 0) revert CertificatesSignaturesSizeWrong(signatures.length);
        uint256 signaturesAt;
        uint256 absenteesAt;
        // Assembly, because Solidity has no other name for where a calldata slice stands. It reads nothing.
        assembly ("memory-safe") {
            signaturesAt := signatures.offset
            absenteesAt := add(absentees.offset, 12)
        }
        uint256 signatureCount = signatures.length / 64;
        requireQuorumAt({
            committeeHash: committeeHash,
            digest: digest,
            signers: certificate.signers,
            memberCount: signatureCount + absentees.length,
            signatureCount: signatureCount,
            signaturesAt: signaturesAt,
            absenteesAt: absenteesAt,
            absenteeStrideBytes: 32,
            details: certificate.details
        });
    }

    /// @notice The same, on parts that the caller located in calldata, so that packed and ABI-encoded certificates share
    /// one check. The caller has made sure that they lie inside calldata and that all members are signers or absentees.
    /// @param signaturesAt Calldata position of the first signature.
    /// @param absenteesAt Calldata position of the first absentee's 20 bytes.
    /// @param absenteeStrideBytes From one absentee's 20 bytes to the next.
    function requireQuorumAt(
        bytes32 committeeHash,
        bytes32 digest,
        uint256 signers,
        uint256 memberCount,
        uint256 signatureCount,
        uint256 signaturesAt,
        uint256 absenteesAt,
        uint256 absenteeStrideBytes,
        bytes32 details
    ) internal view {
        // Zero, less one, is more than any count.
        unchecked {
            if (memberCount - 1 >= MEMBER_COUNT_MAX) revert CertificatesMemberCountUnusable(memberCount);
        }
        if (signatureCount < quorumOf(memberCount)) revert CertificatesNoQuorum(memberCount, signatureCount);

        uint256 bits = signers;
        bytes32 computed;
        bool isFilled;
        bool isOrdered = true;
        bool isLowS = true;
        // Writes the committee's list, run after run: members whose bits are set from recovered signatures, and between
        // two runs an absentee; then hashes it. Assembly, because the inner loop runs up to 256 times, and Solidity's
        // copies of two words a signature cost as much as all the rest but `ecrecover`. Safe: the list is written beyond
        // the free memory pointer, and the four words that `ecrecover` reads are scratch space, the free memory pointer
        // and the zero slot, the latter two put back. What is read beyond the parts fails the comparisons after. The
        // output of `ecrecover` is zeroed first, so that a failed recovery leaves zero, which no ordered committee
        // holds, and never an older signer.
        assembly ("memory-safe") {
            let list := mload(0x40)
            let member := add(list, 0x40)
            let previous := 0
            mstore(list, 0x20)
            mstore(add(list, 0x20), memberCount)
            mstore(0x00, digest)
            for {
                let absentCount := sub(memberCount, signatureCount)
            } 1 {
                absentCount := sub(absentCount, 1)
            } {
                for {} and(bits, 1) {
                    bits := shr(1, bits)
                } {
                    calldatacopy(0x40, signaturesAt, 0x40)
                    let vs := mload(0x60)
                    let s := shr(1, shl(1, vs))
                    mstore(0x20, add(27, shr(255, vs)))
                    mstore(0x60, s)
                    isLowS := and(isLowS, lt(s, HIGH_S_MIN))
                    mstore(member, 0)
                    pop(staticcall(gas(), 1, 0x00, 0x80, member, 0x20))
                    let signer := mload(member)
                    isOrdered := and(isOrdered, gt(signer, previous))
                    previous := signer
                    member := add(member, 0x20)
                    signaturesAt := add(signaturesAt, 0x40)
                }
                if iszero(absentCount) {
                    break
                }
                let absentee := shr(96, calldataload(absenteesAt))
                mstore(member, absentee)
                isOrdered := and(isOrdered, gt(absentee, previous))
                previous := absentee
                member := add(member, 0x20)
                absenteesAt := add(absenteesAt, absenteeStrideBytes)
                bits := shr(1, bits)
            }
            let sizeBytes := sub(member, list)
            // As many as there are members, and so, less the absentees, as there are signatures.
            isFilled := eq(sizeBytes, add(0x40, shl(5, memberCount)))
            mstore(0x00, keccak256(list, sizeBytes))
            mstore(0x20, details)
            computed := keccak256(0x00, 0x40)
            mstore(0x40, list)
            mstore(0x60, 0)
        }
        if (bits != 0 || !isFilled) revert CertificatesSignersMismatch(signers, signatureCount);
        if (computed != committeeHash) revert CertificatesOtherCommittee(committeeHash, computed);
        if (!isLowS) revert CertificatesHighS();
        // A registration cannot bring an unordered committee, but a rotation names only its hash.
        if (!isOrdered) revert CertificatesUnordered();
    }
}
