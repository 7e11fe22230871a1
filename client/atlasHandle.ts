import { Atlas } from './atlas.ts'
import type { AtlasPublisher } from './atlasPublisher.ts'
import type { AtlasReader } from './atlasReader.ts'
import {
  assertProof,
  type ComponentHandle,
  type ComponentHandleDeps,
  createComponentHandle,
  NotBoundError,
  type Proof,
} from './componentHandle.ts'
import type { SigningKey } from './createWriter.ts'
import type { Component } from './readComponent.ts'

/** The directory of a coalition (docs/integrators/atlas.md). */
export type AtlasHandle = ComponentHandle & {
  /** `Atlas.read`. @param options.proof @default 'certified' @throws {InvalidReadError | NotBoundError} */
  createReader(options?: { proof?: Proof }): AtlasReader
  /** `Atlas.publish`. @throws {NotBoundError} @throws as `createAtlasPublisher`. */
  createPublisher(options: { submitter: SigningKey; cardKey?: SigningKey; timeoutMs?: number }): Promise<AtlasPublisher>
}

export function createAtlasHandle(deps: ComponentHandleDeps, component: Component): AtlasHandle {
  const { chain, redisUrl, fromBlock } = deps
  const handle = createComponentHandle(deps, component)
  return {
    ...handle,
    createReader({ proof = 'certified' } = {}) {
      assertProof(proof)
      return Atlas.read({
        atlas: component,
        logs: handle.logs(),
        ...(proof === 'anchored' && { chain, fromBlock }),
      })
    },
    async createPublisher(options) {
      if (redisUrl === undefined) throw new NotBoundError({ kind: 'atlas', missing: 'redis' })
      return await Atlas.publish({ atlas: component, redisUrl, logs: handle.logs(), ...options })
    },
  }
}
