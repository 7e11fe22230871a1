// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IComponentRegistry} from "../../contracts/interfaces/IComponentRegistry.sol";
import {Certificate, Certificates} from "../../contracts/libraries/Certificates.sol";
import {Commit} from "../../contracts/types/Commit.sol";
import {Committee} from "../../contracts/types/Committee.sol";
import {Head} from "../../contracts/types/Head.sol";
import {RegistryDriver} from "./RegistryDriver.sol";
import {Draft, Member, Seats} from "./TestCommittee.sol";
import {deploy, VM} from "./Vm.sol";

/// @title CertificateProperties
/// @notice What no certificate may do, over random commits and committees: whatever is refused here is refused by `anchor`
/// and by `verifyCertificate`, and what it was made from is accepted by both.
contract CertificateProperties is RegistryDriver {
    bytes32 private constant DETAILS = keccak256("details of a list");
    /// The greatest s of which no signature has a lower twin, and the greatest that EIP-2098 can write.
    uint256 private constant LOW_S_MAX = ORDER / 2;
    uint256 private constant S_MAX = (1 << 255) - 1;

    constructor() RegistryDriver(IComponentRegistry(deploy("ComponentRegistry.sol:ComponentRegistry", ""))) {}

    function testFuzz_honestCertificateIsAccepted(uint256 seed) public {
        Draft memory draft = _prepare(seed % COMPONENT_COUNT, seed);
        _requireAccepted(draft, _certificate(draft));
    }

    function testFuzz_everyOtherBitIsRefused(uint256 seed, uint256 bit) public {
        Draft memory draft = _prepare(seed % COMPONENT_COUNT, seed);
        Certificate memory certificate = _certificate(draft);
        bit %= 8 * certificate.signatures.length;
        certificate.signatures[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _requireRefused(draft, certificate, 0);
    }

    /// @dev A key is made for a signature whose s is high, so that nothing is wrong with it but that.
    function testFuzz_highSIsRefusedAndItsTwinIsNot(uint256 seed, uint256 high) public {
        uint256 i = seed % COMPONENT_COUNT;
        uint256 s = LOW_S_MAX + 1 + (high % (S_MAX - LOW_S_MAX));
        (Draft memory draft, Member memory nonce) = _rotateToMemberOf(i, seed, s);
        _requireRefused(draft, _single(draft, nonce.r, s, nonce.parity), Certificates.CertificatesHighS.selector);
        _requireAccepted(draft, _single(draft, nonce.r, ORDER - s, 1 - nonce.parity));
    }

    /// @dev And the other way round: of an ordinary signature, the twin, however its s is squeezed into 255 bits.
    function testFuzz_twinIsRefused(uint256 seed) public {
        Draft memory draft = _prepare(seed % COMPONENT_COUNT, seed);
        Certificate memory certificate = _certificate(draft);
        uint256 offset = 64 * ((seed >> 8) % (certificate.signatures.length / 64));
        uint256 vs = _word(certificate.signatures, offset + 32);
        uint256 s = ORDER - (vs & S_MAX);
        uint256[5] memory twins = [s, s | (1 << 255), s & S_MAX, s ^ (1 << 255), vs ^ (1 << 255)];
        for (uint256 k = 0; k < twins.length; ++k) {
            if (twins[k] == vs) continue;
            _setWord(certificate.signatures, offset + 32, twins[k]);
            _requireRefused(draft, certificate, Certificates.CertificatesOtherCommittee.selector);
        }
    }

    /// @dev Other ways to write the same signature: 65 bytes with v of 0, 1, 27 or 28, before or after, and s before r.
    function testFuzz_otherEncodingIsRefused(uint256 seed, uint8 v) public {
        Draft memory draft = _prepare(seed % COMPONENT_COUNT, seed);
        Certificate memory certificate = _certificate(draft);
        bytes memory compact = certificate.signatures;
        bytes memory long;
        bytes memory longWithV;
        for (uint256 offset = 0; offset < compact.length; offset += 64) {
            (uint256 r, uint256 vs) = (_word(compact, offset), _word(compact, offset + 32));
            uint256 parity = vs >> 255;
            uint8 shown = uint8(v % 2 == 0 ? parity : 27 + parity);
            long = bytes.concat(long, abi.encodePacked(r, vs & S_MAX, shown));
            longWithV = bytes.concat(longWithV, abi.encodePacked(shown, r, vs & S_MAX));
        }
        certificate.signatures = long;
        _requireRefused(draft, certificate, 0);
        certificate.signatures = longWithV;
        _requireRefused(draft, certificate, 0);

        uint256 first = _word(compact, 0);
        _setWord(compact, 0, _word(compact, 32));
        _setWord(compact, 32, first);
        certificate.signatures = compact;
        _requireRefused(draft, certificate, Certificates.CertificatesOtherCommittee.selector);
    }

    /// @dev No key: `ecrecover` fails for r or s of zero or from the order on, and its zero is nobody.
    function testFuzz_signatureOfNobodyIsRefused(uint256 seed, uint256 r, uint256 s) public {
        uint256 i = seed % COMPONENT_COUNT;
        Draft memory draft = _prepare(i, seed);
        Certificate memory certificate = _certificate(draft);
        uint256 offset = 64 * ((seed >> 8) % (certificate.signatures.length / 64));
        (r, s) = _unrecoverable(seed, r, s);
        _setWord(certificate.signatures, offset, r);
        _setWord(certificate.signatures, offset + 32, s);
        _requireRefused(draft, certificate, Certificates.CertificatesOtherCommittee.selector);

        // A rotation names only a hash: even a committee of the zero address has no certificate.
        address[] memory nobody = new address[](1);
        draft = _rotateTo(i, seed, nobody);
        // Low, or that alone would be a reason.
        _requireRefused(draft, _single(draft, r, (s & S_MAX) >> 1, 0), Certificates.CertificatesUnordered.selector);
    }

    /// @dev Lists that no registration takes, but that a rotation can name; everyone on them signs.
    function testFuzz_unorderedCommitteeIsRefused(uint256 seed) public {
        uint256 i = seed % COMPONENT_COUNT;
        uint256 count = 2 + ((seed >> 8) % 5);
        uint256 from = (seed >> 16) % count;
        uint256 to = (seed >> 24) % count;
        if (from == to) to = (to + 1) % count;
        uint256[] memory places = new uint256[](count);
        for (uint256 k = 0; k < count; ++k) places[k] = k;
        // One member twice, or two of them swapped.
        if ((seed >> 32) % 2 == 0) places[to] = places[from];
        else (places[from], places[to]) = (places[to], places[from]);
        address[] memory list = new address[](count);
        for (uint256 k = 0; k < count; ++k) list[k] = members[places[k]].account;

        _requireUnregistrable(list);
        Draft memory draft = _rotateTo(i, seed, list);
        Certificate memory certificate = _single(draft, 0, 0, 0);
        certificate.signers = draft.signers;
        certificate.signatures = "";
        for (uint256 k = 0; k < count; ++k) {
            Member storage member = members[places[k]];
            bytes memory signature = abi.encodePacked(member.r, _sign(member, draft.signed));
            certificate.signatures = bytes.concat(certificate.signatures, signature);
        }
        _requireRefused(draft, certificate, Certificates.CertificatesUnordered.selector);
    }

    function testFuzz_zeroAmongMembersIsRefused(uint256 seed) public {
        uint256 i = seed % COMPONENT_COUNT;
        address[] memory list = new address[](4);
        for (uint256 k = 1; k < 4; ++k) list[k] = members[k - 1].account;
        _requireUnregistrable(list);
        Draft memory draft = _rotateTo(i, seed, list);
        // Three of four are a quorum; zero is the one that does not sign.
        Certificate memory certificate = _single(draft, 0, 0, 0);
        certificate.signers = 14;
        certificate.signatures = _signatures(Seats(0, 3, DETAILS), 7, draft.signed);
        certificate.absentees = new address[](1);
        _requireRefusedByView(draft, certificate, Certificates.CertificatesUnordered.selector);
    }

    /// @dev Of an honest certificate: one signature twice, or two of them swapped, among the members who signed.
    function testFuzz_signaturesOutOfOrderAreRefused(uint256 seed) public {
        // The largest committee, of which five sign.
        Draft memory draft = _prepare(2, seed);
        Certificate memory certificate = _certificate(draft);
        uint256 count = certificate.signatures.length / 64;
        uint256 from = 64 * ((seed >> 8) % count);
        uint256 to = (from + 64 * (1 + ((seed >> 16) % (count - 1)))) % (64 * count);
        bool isSwap = (seed >> 24) % 2 == 0;
        for (uint256 offset = 0; offset < 64; offset += 32) {
            uint256 word = _word(certificate.signatures, to + offset);
            _setWord(certificate.signatures, to + offset, _word(certificate.signatures, from + offset));
            if (isSwap) _setWord(certificate.signatures, from + offset, word);
        }
        _requireRefused(draft, certificate, Certificates.CertificatesOtherCommittee.selector);
    }

    /// @dev What the quorum signed differs from what is shown in one thing.
    function testFuzz_certificateOfAnotherThingIsRefused(uint256 seed, uint64 other) public {
        uint256 i = seed % COMPONENT_COUNT;
        Draft memory draft = _prepare(i, seed);
        Commit memory signed = abi.decode(abi.encode(draft.commit), (Commit));
        signed.component = models[(i + 1 + ((seed >> 8) % 2)) % COMPONENT_COUNT].key;
        _requireRefusedAsSigned(draft, _precommitDigest(signed, draft.round));
        signed.component = draft.commit.component;
        if (other != draft.commit.epoch) {
            signed.epoch = other;
            _requireRefusedAsSigned(draft, _precommitDigest(signed, draft.round));
            signed.epoch = draft.commit.epoch;
        }
        if (other != draft.commit.height) {
            signed.height = other;
            _requireRefusedAsSigned(draft, _precommitDigest(signed, draft.round));
            signed.height = draft.commit.height;
        }
        if (uint32(other) != draft.round) _requireRefusedAsSigned(draft, _precommitDigest(signed, uint32(other)));
        require(_precommitDigest(signed, draft.round) == draft.signed, "nothing else is changed");
    }

    /// @dev A domain that names a chain or a contract, or another protocol, is another; so is a digest without one.
    function testFuzz_certificateOfAnotherDomainIsRefused(uint256 seed, uint64 chainId, address contractOf) public {
        Draft memory draft = _prepare(seed % COMPONENT_COUNT, seed);
        (bytes32 name, bytes32 version) = (keccak256("coalition"), keccak256("1"));
        bytes32[5] memory domains = [
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId)"),
                    name,
                    version,
                    chainId
                )
            ),
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    name,
                    version,
                    seed % 2 == 0 ? block.chainid : chainId,
                    seed % 3 == 0 ? address(registry) : contractOf
                )
            ),
            keccak256(abi.encode(keccak256("EIP712Domain(string name)"), name)),
            keccak256(abi.encode(keccak256("EIP712Domain(string name,string version)"), name, keccak256("2"))),
            bytes32(0)
        ];
        for (uint256 k = 0; k < domains.length; ++k) {
            _requireRefusedAsSigned(draft, _precommitDigestIn(domains[k], draft.commit, draft.round));
        }
        _requireRefusedAsSigned(draft, _hashCommit(draft.commit));
        _requireRefusedAsSigned(draft, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", draft.signed)));
    }

    function _requireRefusedAsSigned(Draft memory draft, bytes32 signed) private {
        Certificate memory certificate = _certificate(draft);
        certificate.signatures = _signatures(draft.seats, draft.signers, signed);
        _requireRefused(draft, certificate, Certificates.CertificatesOtherCommittee.selector);
    }

    /// @param selector Of the error; zero where any but a panic will do.
    function _requireRefused(Draft memory draft, Certificate memory certificate, bytes4 selector) private {
        _requireRefusedByView(draft, certificate, selector);
        try this.tryAnchor(_packWith(draft, certificate.signatures)) {} catch (bytes memory reason) {
            require(bytes4(reason) != Accepted.selector, "anchor accepted it");
            _requireNamed(reason, selector);
        }
    }

    function _requireRefusedByView(Draft memory draft, Certificate memory certificate, bytes4 selector) private view {
        try registry.verifyCertificate(draft.previous, draft.commit, certificate) {
            revert("the view accepted it");
        } catch (bytes memory reason) {
            _requireNamed(reason, selector);
        }
    }

    function _requireAccepted(Draft memory draft, Certificate memory certificate) private {
        registry.verifyCertificate(draft.previous, draft.commit, certificate);
        try this.tryAnchor(_packWith(draft, certificate.signatures)) {} catch (bytes memory reason) {
            require(bytes4(reason) == Accepted.selector, "anchor refused it");
        }
    }

    function _requireNamed(bytes memory reason, bytes4 selector) private pure {
        require(reason.length >= 4 && bytes4(reason) != bytes4(keccak256("Panic(uint256)")), "refused without a name");
        require(selector == 0 || bytes4(reason) == selector, "refused for another reason");
    }

    function _requireUnregistrable(address[] memory list) private {
        try registry.register("any", Committee(list, DETAILS)) {
            revert("it was registered");
        } catch (bytes memory reason) {
            _requireNamed(reason, Certificates.CertificatesUnordered.selector);
        }
    }

    /// @return draft The first commit of the epoch that `list` certifies, everyone signing.
    function _rotateTo(uint256 i, uint256 seed, address[] memory list) private returns (Draft memory draft) {
        draft = _prepare(i, seed);
        _decideRotation(draft, keccak256(abi.encode(keccak256(abi.encode(list)), DETAILS)));
        _anchorHonestly(i, draft);
        draft = _prepare(i, ~seed);
        draft.seats = Seats(0, list.length, DETAILS);
        draft.signers = (1 << list.length) - 1;
    }

    /// @return draft The first commit of an epoch whose one member signs it with exactly `s`.
    /// @return nonce Whose nonce the signature has.
    function _rotateToMemberOf(
        uint256 i,
        uint256 seed,
        uint256 s
    ) private returns (Draft memory draft, Member memory nonce) {
        nonce = members[(seed >> 200) % 24];
        // The commit after a rotation does not depend on who was rotated to: a stand-in tells its digest.
        bytes32 digest = _digestAfterRotation(i, seed);
        uint256 product = mulmod(s, Math.invModPrime(nonce.nonceInverse, ORDER), ORDER);
        uint256 difference = addmod(product, ORDER - (uint256(digest) % ORDER), ORDER);
        uint256 secretKey = mulmod(difference, Math.invModPrime(nonce.r, ORDER), ORDER);
        address[] memory list = new address[](1);
        list[0] = VM.addr(secretKey);
        draft = _rotateTo(i, seed, list);
        require(draft.signed == digest, "the commit depends on the committee");
    }

    function _digestAfterRotation(uint256 i, uint256 seed) private returns (bytes32) {
        try this.tryRotation(i, seed) {
            revert("it was not undone");
        } catch (bytes memory reason) {
            return bytes32(reason);
        }
    }

    /// @notice Rotates to a stand-in and undoes it; gives the digest of the commit after it.
    function tryRotation(uint256 i, uint256 seed) external {
        address[] memory list = new address[](1);
        list[0] = members[0].account;
        bytes32 digest = _rotateTo(i, seed, list).signed;
        // Assembly, because Solidity reverts with errors alone.
        assembly ("memory-safe") {
            mstore(0x00, digest)
            revert(0x00, 0x20)
        }
    }

    /// @return A certificate of one signature, by the whole committee.
    function _single(
        Draft memory draft,
        uint256 r,
        uint256 s,
        uint256 parity
    ) private pure returns (Certificate memory) {
        bytes memory signatures = abi.encodePacked(r, s | (parity << 255));
        return Certificate(draft.round, draft.signers, signatures, new address[](0), DETAILS);
    }

    /// @return Two words, one of which makes that no key has them.
    function _unrecoverable(uint256 seed, uint256 r, uint256 s) private pure returns (uint256, uint256) {
        uint256 kind = (seed >> 40) % 4;
        if (kind == 0) return (0, s);
        if (kind == 1) return (r, s & (1 << 255));
        if (kind == 2) return (ORDER + (r % (type(uint256).max - ORDER + 1)), s);
        return (0, 0);
    }

    function _word(bytes memory data, uint256 offset) private pure returns (uint256 word) {
        // Assembly, because Solidity reads bytes in memory one by one.
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), offset))
        }
    }

    function _setWord(bytes memory data, uint256 offset, uint256 word) private pure {
        // Assembly, as above.
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), offset), word)
        }
    }
}
