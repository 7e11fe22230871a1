import { Option } from 'commander'
import { readKeystore, type UnlockedKey } from '../client/keystore.ts'
import { readPassword } from './password.ts'

/** What every command takes that signs; what its `--key` is the key of, each says itself. */
export type KeyOptions = { key: string; passwordFile?: string | undefined }

export const passwordOption = (): Option =>
  new Option('--password-file <file>', 'file whose first line is the password (else COALITION_PASSWORD)')

/** @throws {MissingPasswordError} and what `readKeystore` throws. */
export const unlockKey = ({ key: path, passwordFile }: KeyOptions): Promise<UnlockedKey> =>
  readKeystore({ path, password: readPassword(passwordFile) })
