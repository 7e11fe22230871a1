import { sign as signBytes } from 'node:crypto'
import { createNoteSigningKey, type UnlockedKey } from '../../client/keystore.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { encodeCheckpoint } from '../../protocol/log/checkpoint.ts'
import { signNote } from '../../protocol/log/signNote.ts'
import { rootOfRange } from '../../protocol/log/treeRoot.ts'
import { deriveKeyId } from '../../protocol/log/verifierKey.ts'

/** Signs the newest head as a C2SP checkpoint with the member's note key (spec §6), once a head. */
export function createCheckpointer(options: {
  key: Pick<UnlockedKey, 'noteSeed' | 'noteKey'>
  origin: string
  log: () => Parameters<typeof rootOfRange>[0]
}): () => Uint8Array {
  const { key, origin, log } = options
  const signingKey = createNoteSigningKey(key.noteSeed)
  const keyId = deriveKeyId({ name: origin, algorithm: 'ed25519', publicKey: fromHex(key.noteKey) })
  const sign = (message: Uint8Array): Uint8Array => new Uint8Array(signBytes(null, message, signingKey))
  let signed: { size: bigint; note: Uint8Array } | undefined
  return () => {
    const { size } = log()
    if (signed?.size !== size) {
      const text = encodeCheckpoint({ origin, size, root: rootOfRange(log()), extensions: [] })
      signed = { size, note: signNote({ text, signers: [{ name: origin, keyId, sign }] }) }
    }
    return signed.note
  }
}
