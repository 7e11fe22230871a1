import { resolve } from 'node:path'
import { readKeystoreAddress } from '../../client/keystore.ts'
import { type ComponentKind, readComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { initStore, openStore } from './store.ts'

export type InitMemberParameters = {
  /** Path of the config, and which of its components. */
  config: string
  kind: ComponentKind
  /** Path of the keystore, which stays closed: its address says whose store it is. */
  keystore: string
  /** Where the store is made. */
  dir: string
}

export type MadeStore = {
  /** Absolute path of its folder. */
  store: string
  kind: ComponentKind
  /** Component key. */
  component: Hex
  /** Address of the member. */
  signer: Hex
}

/**
 * Makes the store that a member begins with.
 *
 * @returns what was made.
 * @throws what `readComponent`, `readKeystoreAddress` and `initStore` throw.
 */
export async function initMember({ config, kind, keystore, dir }: InitMemberParameters): Promise<MadeStore> {
  const { component, parameters } = await readComponent(config, { kind })
  const identity = { dir, component, signer: await readKeystoreAddress(keystore) }
  initStore(identity)
  const store = openStore(identity)
  store.bindParameters(parameters)
  store.close()
  return { store: resolve(dir), kind, component, signer: identity.signer }
}
