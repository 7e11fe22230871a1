import type { Head } from '../../chain/head.ts'
import { type AtlasCitizen, toCitizens } from '../../client/atlasCatalogue.ts'
import type { AtlasComponent } from '../../client/atlasReader.ts'
import { createEpochs, type Epochs } from '../../client/epochs.ts'
import { type LogReader, NotInLogError } from '../../client/logReader.ts'
import { type CertifiedState, readState } from '../../client/readState.ts'
import { type AtlasState, atlas as machine } from '../../modules/atlas/machine.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { RetirementMarker } from '../../protocol/wire/next.ts'

/** A certified state of the Atlas with every proof that may be asked for. */
export type HeldState = {
  certified: CertifiedState<AtlasState>
  /** In ascending order of stable id. */
  citizens: readonly AtlasCitizen[]
  byId: ReadonlyMap<Hex, AtlasCitizen>
}

/** What the committee and the chain last said of the Atlas; derived, and read again at each start. */
export type Directory = {
  /**
   * Reads the newest marked state, and the one under `newestHead` where that is another.
   *
   * @throws {NotInLogError} nothing was marked for the chain yet.
   * @throws what `readState` throws; what was held before stays.
   */
  refresh(newestHead: Head | undefined): Promise<void>
  /** The newest certified state. */
  newest(): HeldState | undefined
  /** The state under the newest head on chain, where members still have it. */
  anchored(): { held: HeldState; head: Head } | undefined
  /** The Atlas's last word, where members' logs show it. */
  retirement(): RetirementMarker | null
}

export function createDirectory(
  { logs }: { logs: readonly LogReader[] },
  { atlas }: { atlas: AtlasComponent },
): Directory {
  let epochs: Epochs = createEpochs(atlas)
  let newest: HeldState | undefined
  let anchored: { held: HeldState; head: Head } | undefined
  /** A head whose state no member has any more: it will not come back. */
  let lost: Hex | undefined

  async function read(of: { height?: bigint; known?: CertifiedState<AtlasState> | undefined }): Promise<HeldState> {
    const certified = await readState({ logs }, { machine, epochs, ...of })
    epochs = certified.epochs
    if (newest !== undefined && certified.commit.digest === newest.certified.commit.digest) return newest
    const citizens = toCitizens(certified)
    return { certified, citizens, byId: new Map(citizens.map((each) => [each.citizen, each])) }
  }

  async function readAnchored(head: Head): Promise<HeldState | undefined> {
    const isOf = ({ certified: { commit } }: HeldState): boolean =>
      commit.commit.height === head.height && commit.commit.state === head.state
    const held = [newest, anchored?.held].find((each) => each !== undefined && isOf(each))
    if (held !== undefined || lost === head.state) return held
    try {
      const found = await read({ height: head.height })
      if (isOf(found)) return found
    } catch (error) {
      if (!(error instanceof NotInLogError)) throw error
      lost = head.state
    }
    return undefined
  }

  return {
    async refresh(head) {
      const found = await read({ known: newest?.certified })
      // A member that lags may be the only one that answers now.
      if (newest === undefined || heightOf(found) > heightOf(newest)) newest = found
      const held = head === undefined || head.anchorIndex === 0n ? undefined : await readAnchored(head)
      anchored = held && { held, head: head! }
    },
    newest: () => newest,
    anchored: () => anchored,
    retirement: () => epochs.retirement,
  }
}

const heightOf = ({ certified }: HeldState): bigint => certified.commit.commit.height
