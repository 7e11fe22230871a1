/** The three hashes of spec §2: BLAKE3 for identity, keccak-256 and SHA-256 for what a contract must recompute. */

export { blake3 } from '@noble/hashes/blake3.js'
export { keccak256 } from '#keccak256'
export { sha256 } from '#sha256'
