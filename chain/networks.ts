import { CoalitionError } from '../protocol/errors.ts'

/** Where this repository deploys to. Whatever is not local is public: what is done there cannot be undone. */
export const NETWORKS = {
  local: { chainId: 31_337, isPublic: false },
  sepolia: { chainId: 11_155_111, isPublic: true },
  hoodi: { chainId: 560_048, isPublic: true },
} as const

export type NetworkName = keyof typeof NETWORKS

export class UnknownNetworkError extends CoalitionError {
  constructor({ name }: { name: string }) {
    super('UNKNOWN_NETWORK', `There is no network "${name}" to deploy to.`, {
      fix: `Use one of ${Object.keys(NETWORKS).join(', ')}.`,
    })
  }
}

/** @throws {UnknownNetworkError} */
export function toNetworkName(name: string): NetworkName {
  if (!Object.hasOwn(NETWORKS, name)) throw new UnknownNetworkError({ name })
  return name as NetworkName
}
