import { readKeystoreAddress } from '../../client/keystore.ts'
import { type ComponentKind, readComponent } from '../../client/readComponent.ts'
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

/**
 * Makes the store that a member begins with.
 *
 * @throws what `readComponent`, `readKeystoreAddress` and `initStore` throw.
 */
export async function initMember({ config, kind, keystore, dir }: InitMemberParameters): Promise<void> {
  const { component, parameters } = await readComponent(config, { kind })
  const identity = { dir, component, signer: await readKeystoreAddress(keystore) }
  initStore(identity)
  const store = openStore(identity)
  store.bindParameters(parameters)
  store.close()
}
