// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Commit} from "../../contracts/types/Commit.sol";
import {Head} from "../../contracts/types/Head.sol";
import {VM} from "./Vm.sol";

uint256 constant POOL_COUNT = 24;

/// @notice Some consecutive members of the pool: `first` to `first + count - 1`.
struct Seats {
    uint256 first;
    uint256 count;
    bytes32 details;
}

/// @notice An anchor before it is packed: what is claimed, and what was signed, which a forger keeps apart.
struct Draft {
    Head previous;
    Commit commit;
    uint32 round;
    /// Digest that the signers sign.
    bytes32 signed;
    Seats seats;
    /// Bit i: the member at place i signs.
    uint256 signers;
    bytes32[] proof;
    uint8 nextKind;
    bytes next;
}

/// @notice A member whose secret key is known, and one nonce that it uses for everything: a signature is then a product
/// and a sum, where a fresh nonce would take a multiplication on the curve, most of a run's time. It gives the key away.
struct Member {
    address account;
    uint256 r;
    /// r · secretKey modulo the order.
    uint256 rKey;
    uint256 nonceInverse;
    /// Of the nonce's point: 1 where its y is odd.
    uint256 parity;
}

/// @title TestCommittees
/// @notice Members whose secret keys are known, and the typed data that they sign, written from spec §4 and §5.1 and
/// apart from the contracts' own hashing.
abstract contract TestCommittees {
    uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    bytes32 internal constant DOMAIN_SEPARATOR = keccak256(
        abi.encode(
            keccak256("EIP712Domain(string name,string version)"),
            keccak256(bytes("coalition")),
            keccak256(bytes("1"))
        )
    );
    bytes32 private constant COMMIT_TYPEHASH = keccak256(
        "Commit(bytes32 component,uint64 epoch,uint64 height,bytes32 body,uint64 logSize,bytes32 logRoot,bytes32 state,uint64 timestampMs,bool anchor,bytes32 next)"
    );
    bytes32 private constant PRECOMMIT_TYPEHASH = keccak256(
        "Precommit(Commit commit,uint32 round)Commit(bytes32 component,uint64 epoch,uint64 height,bytes32 body,uint64 logSize,bytes32 logRoot,bytes32 state,uint64 timestampMs,bool anchor,bytes32 next)"
    );

    /// @dev In ascending order of address, so that any run of it is a committee.
    Member[POOL_COUNT] internal members;

    constructor() {
        for (uint256 i = 0; i < POOL_COUNT; ++i) {
            Member memory member = _createMember(uint256(keccak256(abi.encode("member", i))) >> 1);
            uint256 place = i;
            for (; place > 0 && members[place - 1].account > member.account; --place) {
                members[place] = members[place - 1];
            }
            members[place] = member;
        }
    }

    /// @dev s = (z + r · key) / nonce, so that one signature, whose key is known, tells its nonce.
    function _createMember(uint256 secretKey) private view returns (Member memory) {
        bytes32 digest = keccak256("any");
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(secretKey, digest);
        uint256 rKey = mulmod(uint256(r), secretKey, ORDER);
        uint256 sum = addmod(uint256(digest), rKey, ORDER);
        uint256 nonceInverse = mulmod(uint256(s), Math.invModPrime(sum, ORDER), ORDER);
        return Member(VM.addr(secretKey), uint256(r), rKey, nonceInverse, v - 27);
    }

    function _signersOf(Seats memory seats) internal view returns (address[] memory signers) {
        signers = new address[](seats.count);
        for (uint256 i = 0; i < seats.count; ++i) signers[i] = members[seats.first + i].account;
    }

    function _hashSeats(Seats memory seats) internal view returns (bytes32) {
        return keccak256(abi.encode(keccak256(abi.encode(_signersOf(seats))), seats.details));
    }

    function _quorumOf(uint256 memberCount) internal pure returns (uint256) {
        return memberCount - (memberCount - 1) / 3;
    }

    /// @return signers A bitmap of `count` places out of `memberCount`, which `seed` chooses.
    function _chooseSigners(uint256 memberCount, uint256 count, uint256 seed) internal pure returns (uint256 signers) {
        uint256 place = seed % memberCount;
        for (; count > 0; --count) {
            signers |= 1 << place;
            place = (place + 1) % memberCount;
        }
    }

    function _hashCommit(Commit memory commit) internal pure returns (bytes32) {
        return keccak256(abi.encode(COMMIT_TYPEHASH, commit));
    }

    function _precommitDigest(Commit memory commit, uint32 round) internal pure returns (bytes32) {
        return _precommitDigestIn(DOMAIN_SEPARATOR, commit, round);
    }

    function _precommitDigestIn(bytes32 domain, Commit memory commit, uint32 round) internal pure returns (bytes32) {
        bytes32 precommit = keccak256(abi.encode(PRECOMMIT_TYPEHASH, _hashCommit(commit), round));
        return keccak256(abi.encodePacked("\x19\x01", domain, precommit));
    }

    function _hashRotation(
        bytes32 component,
        uint64 newEpoch,
        bytes32 newCommitteeHash
    ) internal pure returns (bytes32) {
        bytes32 typehash = keccak256("Rotation(bytes32 component,uint64 newEpoch,bytes32 newCommitteeHash)");
        return keccak256(abi.encode(typehash, component, newEpoch, newCommitteeHash));
    }

    function _hashMarker(
        bytes32 component,
        bytes32 successor,
        uint64 effectiveHeight,
        string memory reason
    ) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "RetirementMarker(bytes32 component,bytes32 successor,uint64 effectiveHeight,string reason)"
        );
        return keccak256(abi.encode(typehash, component, successor, effectiveHeight, keccak256(bytes(reason))));
    }

    /// @return vs The second word of a signature (EIP-2098); the first is the member's r.
    function _sign(Member storage member, bytes32 digest) internal view returns (uint256 vs) {
        vs = mulmod(member.nonceInverse, addmod(uint256(digest), member.rKey, ORDER), ORDER);
        bool isHigh = vs > ORDER / 2;
        if (isHigh) vs = ORDER - vs;
        if (isHigh != (member.parity == 1)) vs |= 1 << 255;
    }

    function _signatures(Seats memory seats, uint256 signers, bytes32 digest) internal view returns (bytes memory) {
        uint256[] memory words = new uint256[](2 * _popcount(signers));
        uint256 count = 0;
        for (uint256 i = 0; i < seats.count; ++i) {
            if ((signers >> i) & 1 == 0) continue;
            Member storage member = members[seats.first + i];
            words[count++] = member.r;
            words[count++] = _sign(member, digest);
        }
        return abi.encodePacked(words);
    }

    function _absentees(Seats memory seats, uint256 signers) internal view returns (address[] memory absentees) {
        absentees = new address[](seats.count - _popcount(signers));
        uint256 count = 0;
        for (uint256 i = 0; i < seats.count; ++i) {
            if ((signers >> i) & 1 == 0) absentees[count++] = members[seats.first + i].account;
        }
    }

    /// @return The argument of `anchor`, as contracts/libraries/AnchorCall.sol draws it.
    function _pack(Draft memory draft) internal view returns (bytes memory) {
        return _packWith(draft, _signatures(draft.seats, draft.signers, draft.signed));
    }

    /// @return The same, with signatures that need not be anyone's.
    function _packWith(Draft memory draft, bytes memory signatures) internal view returns (bytes memory) {
        return
            bytes.concat(
                _packHead(draft.commit, draft.previous),
                _packCommit(draft),
                // Seven members at most, so the bitmap is one byte.
                bytes1(uint8(draft.signers)),
                signatures,
                _packAbsentees(draft.seats, draft.signers),
                abi.encodePacked(draft.proof),
                draft.next
            );
    }

    function _packHead(Commit memory commit, Head memory previous) private pure returns (bytes memory) {
        return
            abi.encodePacked(
                commit.component,
                previous.committeeHash,
                previous.logRoot,
                previous.state,
                abi.encodePacked(previous.epoch, previous.height, previous.logSize, previous.timestampMs),
                previous.anchorIndex,
                previous.anchoredAt
            );
    }

    function _packCommit(Draft memory draft) private pure returns (bytes memory) {
        Commit memory commit = draft.commit;
        return
            abi.encodePacked(
                commit.body,
                commit.state,
                commit.height,
                commit.logSize,
                commit.timestampMs,
                draft.round,
                uint8(draft.seats.count - 1),
                uint8(_popcount(draft.signers) - 1),
                uint8(draft.proof.length),
                draft.nextKind,
                draft.seats.details
            );
    }

    function _packAbsentees(Seats memory seats, uint256 signers) private view returns (bytes memory packed) {
        for (uint256 i = 0; i < seats.count; ++i) {
            if ((signers >> i) & 1 == 0) packed = bytes.concat(packed, bytes20(members[seats.first + i].account));
        }
    }

    function _popcount(uint256 bits) internal pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
