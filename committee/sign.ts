import type { Hex } from '../protocol/bytes.ts'
import { deriveMessageDigest } from './digest.ts'
import { deriveExtensionDigest } from './extension.ts'
import type { AuthenticatedMessage, Message } from './types.ts'

/**
 * Signs a message that the core asked to broadcast. `sign` must be deterministic (RFC 6979), so that a message sent
 * again after a restart is the same bytes; 64 bytes as EIP-2098 has them.
 */
export function signMessage(message: Message, sign: (digest: Hex) => Hex): AuthenticatedMessage {
  const signature = sign(deriveMessageDigest(message))
  if (message.kind !== 'precommit') return { ...message, signature } as AuthenticatedMessage
  const { component, height, round, commitDigest, extension } = message
  const extensionSignature =
    commitDigest === null || extension === null
      ? null
      : sign(deriveExtensionDigest({ component, height, round, commitDigest, data: extension }))
  return { ...message, signature, extensionSignature } as AuthenticatedMessage
}
