import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** A change to the text of a source file as it is loaded, for the thread that loads it. */
export type Edit = {
  /** From the repository's root. */
  file: string
  /** Stands in the file exactly once. */
  from: string
  to: string
}

/**
 * Hashing is most of what a simulated committee does. Here it needs to be free of collisions, no more, so the runtime's own
 * SHA3-256 stands in for keccak-256, from which it differs in its padding.
 */
const FAST_HASH: Edit = {
  file: 'protocol/hash.ts',
  from: "export { keccak256 } from '#keccak256'",
  to: `import { hash } from 'node:crypto'
export const keccak256 = (bytes: Uint8Array): Uint8Array => {
  const digest = hash('sha3-256', bytes, 'latin1' as 'hex')
  const out = new Uint8Array(32)
  for (let i = 0; i < 32; i++) out[i] = digest.charCodeAt(i)
  return out
}`,
}

/** One message is read by every member that gets it. Reading is pure, so it is done once and the value is shared. */
const remembered = (file: string, [name, parameter, result]: readonly [string, string, string]): Edit => ({
  file,
  from: `function ${name}(${parameter}): ${result} {`,
  to: `function ${name}(${parameter}): ${result} {
  const argument = ${parameter.split(':')[0]}
  const known = ${name}s.get(argument)
  if (known !== undefined) return known
  const value = ${name}Once(argument)
  ${name}s.set(argument, value)
  return value
}
const ${name}s = new WeakMap<object, any>()
function ${name}Once(${parameter}): ${result} {`,
})

/** As `remembered`, for what is written as an expression: every member that executes a block shares its commit. */
const FAST_COMMIT_DIGEST: Edit = {
  file: 'protocol/wire/commit.ts',
  from: 'export const deriveCommitDigest = (commit: Commit): Hex =>',
  to: `const commitDigests = new WeakMap<object, Hex>()
export const deriveCommitDigest = (commit: Commit): Hex => {
  const known = commitDigests.get(commit)
  if (known !== undefined) return known
  const digest = deriveCommitDigestOnce(commit)
  commitDigests.set(commit, digest)
  return digest
}
const deriveCommitDigestOnce = (commit: Commit): Hex =>`,
}

/** What makes simulations fast: nothing of it changes what a member does. */
export const FAST: readonly Edit[] = [
  FAST_HASH,
  remembered('committee/codec.ts', ['encodeMessage', 'message: SignedMessage', 'Uint8Array']),
  remembered('committee/codec.ts', ['decodeHeader', 'bytes: Uint8Array', 'MessageHeader']),
  remembered('committee/codec.ts', ['decodeMessage', 'bytes: Uint8Array', 'SignedMessage']),
  remembered('committee/digest.ts', ['deriveMessageDigest', 'message: Message', 'Hex']),
  remembered('committee/extension.ts', ['decodeExtension', 'bytes: Uint8Array', 'VoteExtension']),
  remembered('committee/record.ts', ['withoutSignature', 'message: Message', 'SignedMessage']),
  remembered('committee/handshakeMessage.ts', ['decodeHandshake', 'bytes: Uint8Array', 'SignedHandshakeMessage']),
  remembered('committee/handshakeMessage.ts', ['deriveHandshakeDigest', 'message: HandshakeMessage', 'Hex']),
  FAST_COMMIT_DIGEST,
  remembered('protocol/wire/governance.ts', ['decodeGovernanceCommand', 'bytes: Uint8Array', 'GovernanceCommand']),
]

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * From now on `edits` are made to what this thread imports. The source on disk stays as it is, so nothing in production has
 * a hook for tests; and an edit whose place is gone fails loudly, so that no planted fault rots unseen.
 */
export function plant(edits: readonly Edit[]): { assertPlanted(): void } {
  const byUrl = Map.groupBy(edits, ({ file }) => pathToFileURL(join(ROOT, file)).href)
  const missing = new Set(edits)
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const wanted = byUrl.get(url)
      if (wanted === undefined) return loaded
      let source = new TextDecoder().decode(loaded.source as Uint8Array)
      for (const edit of wanted) {
        if (source.split(edit.from).length !== 2) throw new Error(`${edit.file} has no single «${edit.from}»`)
        source = source.replace(edit.from, () => edit.to)
        missing.delete(edit)
      }
      return { ...loaded, source }
    },
  })
  return {
    assertPlanted() {
      for (const { file } of missing) throw new Error(`${file} was not loaded`)
    },
  }
}
