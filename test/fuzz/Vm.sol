// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The few cheatcodes of Hardhat's Solidity tests that these tests use.
interface Vm {
    /// @return The address of a secret key.
    function addr(uint256 secretKey) external pure returns (address);

    function sign(uint256 secretKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);

    /// @notice Sets the time of the block, in seconds since the Unix epoch.
    function warp(uint256 timestamp) external;

    /// @return The creation code of a built contract, by `File.sol:Name`.
    function getCode(string calldata artifact) external view returns (bytes memory);
}

// Where Hardhat answers cheatcodes: the last 20 bytes of keccak256("hevm cheat code").
Vm constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

/// @return deployed A built contract, from its artifact: tests that import only its interface need no new build of their
/// own when it changes.
function deploy(string memory artifact, bytes memory constructorArguments) returns (address deployed) {
    bytes memory code = bytes.concat(VM.getCode(artifact), constructorArguments);
    // Assembly, because Solidity creates only contracts that it compiles.
    assembly ("memory-safe") {
        deployed := create(0, add(code, 0x20), mload(code))
    }
    require(deployed != address(0), "the constructor refuses");
}
