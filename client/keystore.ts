import { createPrivateKey, createPublicKey, hkdfSync, randomBytes, scrypt } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { decrypt, encrypt, type Keystore } from 'ox/Keystore'
import { z } from 'zod'
import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { deriveSignerAddress } from '../protocol/wire/signature.ts'

/**
 * A key at rest is a Web3 Secret Storage file, version 3, as every Ethereum wallet reads it: scrypt with n = 2^18,
 * r = 8, p = 1, AES-128-CTR, keccak-256 MAC. The address and the note key stand beside the ciphertext in the clear.
 */
const SCRYPT = { n: 1 << 18, r: 8, p: 1, dklen: 32 } as const
/** What a file may ask of us: 2^20 × 8 × 128 bytes is 1 GiB. */
const SCRYPT_MEMORY_MAX_BYTES = 1 << 30
const FILE_SIZE_MAX_BYTES = 1 << 16

/** What signs for a member, a submitter or an anchorer. Never printed and never logged. */
export type UnlockedKey = {
  /** Address of `secretKey`. */
  signer: Hex
  /** 32 bytes, secp256k1. */
  secretKey: Uint8Array
  /** 32 bytes, Ed25519 seed of the key that signs notes (spec §6), derived from `secretKey`. */
  noteSeed: Uint8Array
  /** 32 bytes, the public half of `noteSeed`. */
  noteKey: Hex
}

export class KeystoreError extends CoalitionError {
  constructor({ reason, fix, cause }: { reason: string; fix: string; cause?: unknown }) {
    super('KEYSTORE', `The keystore cannot be used: ${reason}.`, { fix, cause })
  }
}

const hexDigits = z.string().regex(/^(?:[0-9a-fA-F]{2})+$/)
const KEYSTORE_SHAPE = z.object({
  version: z.literal(3),
  address: z
    .string()
    .regex(/^(?:0x)?[0-9a-fA-F]{40}$/)
    .optional(),
  crypto: z.object({
    cipher: z.literal('aes-128-ctr'),
    cipherparams: z.object({ iv: hexDigits.length(32) }),
    ciphertext: hexDigits.length(64),
    kdf: z.literal('scrypt'),
    kdfparams: z.object({
      dklen: z.literal(32),
      n: z
        .int()
        .min(2)
        .max(1 << 20)
        .refine((value) => Number.isInteger(Math.log2(value)), 'no power of two'),
      r: z.int().min(1).max(16),
      p: z.int().min(1).max(16),
      salt: hexDigits.max(128),
    }),
    mac: hexDigits.length(64),
  }),
})

/** A fresh key from the machine's own randomness. */
export const createKey = (): UnlockedKey => {
  for (;;) {
    const secretKey = new Uint8Array(randomBytes(32))
    if (isSecretKey(secretKey)) return unlockKey(secretKey)
  }
}

/**
 * Encrypts `key` to a new file with mode 0600.
 *
 * @throws {KeystoreError} the file exists already or cannot be written; an existing key is never overwritten.
 */
export async function writeKeystore(key: UnlockedKey, options: { path: string; password: string }): Promise<void> {
  const { path, password } = options
  const [salt, iv] = [randomBytes(32), randomBytes(16)]
  const kdfparams = { ...SCRYPT, salt: salt.toString('hex') }
  const derivedKey = await deriveFileKey({ password, salt, ...SCRYPT })
  const keystore = encrypt(key.secretKey, derivedKey, { kdf: 'scrypt', kdfparams, iv: new Uint8Array(iv) })
  const file = { address: key.signer.slice(2), noteKey: key.noteKey, ...keystore }
  try {
    const handle = await open(path, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw new KeystoreError({
      reason: isThere ? `${path} exists already` : `${path} cannot be written`,
      fix: 'Choose a new path in a folder that you may write to: a key is never overwritten.',
      cause,
    })
  }
}

/** @throws {KeystoreError} unreadable, not version 3 with scrypt, too dear to open, or the wrong password. */
export async function readKeystore({ path, password }: { path: string; password: string }): Promise<UnlockedKey> {
  const keystore = await readKeystoreFile(path)
  const { kdfparams } = keystore.crypto
  const { n, r, p } = kdfparams
  const salt = Buffer.from(kdfparams.salt, 'hex')
  let derivedKey: Hex
  try {
    derivedKey = await deriveFileKey({ password, salt, n, r, p })
  } catch (cause) {
    throw new KeystoreError({
      reason: `scrypt refuses its parameters (n ${n}, r ${r}, p ${p})`,
      fix: 'Export it again from your wallet, or make one with: coalition key new',
      cause,
    })
  }
  let secretKey: Uint8Array
  try {
    secretKey = decrypt(keystore as Keystore, derivedKey, { as: 'Bytes' })
  } catch {
    throw new KeystoreError({ reason: 'the password does not open it', fix: 'Give the password it was made with.' })
  }
  if (!isSecretKey(secretKey)) {
    throw new KeystoreError({ reason: 'it holds no secp256k1 key', fix: 'Make one with: coalition key new' })
  }
  return unlockKey(secretKey)
}

/**
 * The address that a keystore says it is of, without opening it: a hint, which only the password proves.
 *
 * @throws {KeystoreError} unreadable, or it does not say.
 */
export async function readKeystoreAddress(path: string): Promise<Hex> {
  const { address } = await readKeystoreFile(path)
  if (address !== undefined) return `0x${address.toLowerCase().replace(/^0x/, '')}`
  throw new KeystoreError({ reason: `${path} has no address`, fix: 'Export it with its address, as most wallets do.' })
}

async function readKeystoreFile(path: string): Promise<z.infer<typeof KEYSTORE_SHAPE>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new KeystoreError({ reason: `${path} cannot be read`, fix: 'Make one with: coalition key new', cause })
  }
  try {
    if (text.length > FILE_SIZE_MAX_BYTES) throw new RangeError('too large')
    const { Crypto, ...file } = JSON.parse(text) as Record<string, unknown>
    // Some wallets write the name of this one part with a capital.
    const keystore = KEYSTORE_SHAPE.parse(Crypto === undefined ? file : { ...file, crypto: Crypto })
    const { n, r } = keystore.crypto.kdfparams
    if (128 * n * r > SCRYPT_MEMORY_MAX_BYTES) throw new RangeError('too dear')
    return keystore
  } catch {
    throw new KeystoreError({
      reason: `${path} is no Web3 Secret Storage file of version 3 with scrypt that needs at most 1 GiB to open`,
      fix: 'Export it so from your wallet, or make one with: coalition key new',
    })
  }
}

async function deriveFileKey(options: {
  password: string
  salt: Uint8Array
  n: number
  r: number
  p: number
}): Promise<Hex> {
  const { password, salt, n, r, p } = options
  const maxmem = 128 * n * r + 128 * r * p + (1 << 20)
  const derive = promisify(scrypt) as (
    password: string,
    salt: Uint8Array,
    sizeBytes: number,
    options: object,
  ) => Promise<Buffer>
  return toHex(await derive(password.normalize('NFKC'), salt, 32, { N: n, r, p, maxmem }))
}

function isSecretKey(secretKey: Uint8Array): boolean {
  try {
    deriveSignerAddress(secretKey)
    return true
  } catch {
    return false
  }
}

/** All that a member signs with, derived from its secret key. */
export function unlockKey(secretKey: Uint8Array): UnlockedKey {
  const noteSeed = new Uint8Array(hkdfSync('sha256', secretKey, new Uint8Array(0), 'coalition note key', 32))
  return { signer: deriveSignerAddress(secretKey), secretKey, noteSeed, noteKey: deriveNoteKey(noteSeed) }
}

/** The PKCS #8 frame of an Ed25519 seed (RFC 8410 §7). */
const PKCS8_ED25519_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** `noteSeed` as a key of node:crypto, which signs notes with it. */
export const createNoteSigningKey = (noteSeed: Uint8Array) =>
  createPrivateKey({ key: Buffer.concat([PKCS8_ED25519_PREFIX, noteSeed]), format: 'der', type: 'pkcs8' })

function deriveNoteKey(noteSeed: Uint8Array): Hex {
  const spki = createPublicKey(createNoteSigningKey(noteSeed)).export({ format: 'der', type: 'spki' })
  return toHex(new Uint8Array(spki.subarray(-32)))
}
