import { createKeccak } from 'hash-wasm'

/** One hasher for all: it is stateful only between `init` and `digest`, and nothing runs between the two. */
const hasher = await createKeccak(256)

/**
 * keccak-256 in WebAssembly, because a member hashes each command of each envelope, and portable JavaScript takes seven
 * times as long (bench/committee.ts); Node.js has no keccak of its own. Elsewhere the portable one serves (package.json
 * `imports`), and it is the tests' oracle.
 */
export const keccak256 = (bytes: Uint8Array): Uint8Array => hasher.init().update(bytes).digest('binary')
