import { openComponentRegistry } from '../chain/componentRegistry.ts'
import type { Chain } from '../chain/connectChain.ts'
import { type AtlasState, atlas as machine } from '../modules/atlas/machine.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { Member } from '../protocol/wire/committee.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import { type AtlasBasis, type AtlasCatalogue, type AtlasCitizen, toCitizens } from './atlasCatalogue.ts'
import { createEpochs, type Epochs } from './epochs.ts'
import type { LogReader } from './logReader.ts'
import { type CertifiedState, NotAnchoredStateError, readState } from './readState.ts'

/** An Atlas as a config spells it out. */
export type AtlasComponent = {
  /** Component key (spec §7.1). */
  component: Hex
  /** The genesis committee, strictly ascending by signer. */
  members: readonly Readonly<Member>[]
  /** The one registry that is authoritative for it. */
  home: { registry: Hex }
}

export class NotInAtlasError extends CoalitionError {
  constructor({ citizen }: { citizen: Hex }) {
    super('NOT_IN_ATLAS', `The Atlas does not remember ${citizen}.`, {
      fix: 'Give the whole stable id of a citizen that the config lists; a new one is known from the next commit that is marked for the chain.',
      kind: 'refused',
    })
  }
}

export type CreateAtlasReaderParameters = {
  atlas: AtlasComponent
  /** Logs of members: one honest one is enough, and none is believed. */
  logs: readonly LogReader[]
  /**
   * The home chain: where it is given, proofs stand under its newest head, so that a contract takes them. Without it they
   * stand under the newest certified commit that is marked for the chain.
   */
  chain?: Chain | undefined
  /** First block whose events heads are rebuilt from. @default 0 */
  fromBlock?: bigint | undefined
}

/** Reads an Atlas; what it gives was proven here. */
export type AtlasReader = {
  /**
   * Every citizen that the Atlas remembers, each with its proofs: the whole state was read, so none is left out.
   *
   * @throws {ComponentRetiredError} the Atlas is retired; the error names its successor.
   * @throws {NotAnchoredStateError} nothing is anchored yet, or another anchor came in between.
   * @throws what `readState` throws; with a chain what `readHead` throws.
   */
  readCatalogue(): Promise<AtlasCatalogue>
  /** One citizen of it. @throws {NotInAtlasError} the Atlas has never listed it. @throws as `readCatalogue`. */
  readCitizen(citizen: Hex): Promise<AtlasCitizen & { basis: AtlasBasis }>
}

/** `Atlas.read`: opens no connection before it is asked. */
export function createAtlasReader(parameters: CreateAtlasReaderParameters): AtlasReader {
  const { atlas, logs, chain, fromBlock = 0n } = parameters
  let epochs: Epochs = createEpochs(atlas)

  async function read(): Promise<{ certified: CertifiedState<AtlasState>; basis: AtlasBasis }> {
    const { component } = atlas
    const head =
      chain && (await (await openComponentRegistry(chain, { address: atlas.home.registry, fromBlock })).readHead(atlas))
    if (head?.anchorIndex === 0n) throw new NotAnchoredStateError(head)
    const certified = await readState({ logs }, { machine, epochs, height: head?.height })
    epochs = certified.epochs
    if (epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
    const { commit } = certified.commit
    const isAnchored = head === undefined || (commit.component === component && commit.state === head.state)
    if (!isAnchored) throw new NotAnchoredStateError(head)
    return { certified, basis: { commit: certified.commit, head } }
  }

  async function readCatalogue(): Promise<AtlasCatalogue> {
    const { certified, basis } = await read()
    return { basis, citizens: toCitizens(certified) }
  }

  return {
    readCatalogue,
    async readCitizen(citizen) {
      const { basis, citizens } = await readCatalogue()
      const found = citizens.find((each) => each.citizen === citizen)
      if (found === undefined) throw new NotInAtlasError({ citizen })
      return { ...found, basis }
    },
  }
}
