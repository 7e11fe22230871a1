import { CoalitionError } from '../errors.ts'

export class InvalidBase64Error extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('INVALID_BASE64', `${field} is not base64.`, {
      fix: 'Write RFC 4648 §4: the standard alphabet, padded, no line breaks, unused bits zero.',
    })
  }
}

/** RFC 4648 §4, padded: how signed notes and checkpoints write bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** Exact inverse of `encodeBase64`. @throws {InvalidBase64Error} `text` is anything else; `field` names it. */
export function decodeBase64(text: string, field: string): Uint8Array {
  let binary: string
  try {
    binary = atob(text)
  } catch {
    throw new InvalidBase64Error({ field })
  }
  // atob forgives white space, missing padding and stray bits; a second spelling of signed bytes is refused.
  if (btoa(binary) !== text) throw new InvalidBase64Error({ field })
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
