import type { AtlasCitizen } from '../../client/atlasCatalogue.ts'
import { CardElsewhereError, CardStaleError, CitizenUnknownError } from '../../modules/atlas/machine.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { encodeAtlasCommand } from '../../protocol/wire/atlasCommand.ts'
import type { ListedCitizen } from '../../protocol/wire/atlasParameters.ts'
import type { SignedCard } from '../../protocol/wire/cardFile.ts'
import type { VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { decodeCard, verifyCard } from '../../protocol/wire/citizenCard.ts'
import { ComponentRetiredError } from '../../protocol/wire/next.ts'
import type { AtlasSyncJob } from '../queues.ts'
import type { Directory } from './directory.ts'
import { listSources, type SourceOptions } from './sources.ts'

/** A job that does something. */
export type SyncJob = Exclude<AtlasSyncJob, { kind: 'turn' }>

/** What one job came to. */
export type AtlasSyncResult =
  /** The Atlas has it already, or it was proposed before and no state shows it yet. This is also how a job that ran twice ends. */
  | { status: 'upToDate' }
  /** Nobody says any more where this citizen publishes its card. */
  | { status: 'noSource' }
  | { status: 'proposed'; height: string }
  /** A newer config was published than the one that this worker was started with: whoever has that one lists its citizens. */
  | { status: 'configSuperseded' }

export class WrongCitizenError extends CoalitionError {
  constructor({ citizen, found }: { citizen: Hex; found: Hex }) {
    super('WRONG_CITIZEN', `Where the card of ${citizen} should be, one of ${found} is served.`, {
      fix: 'Correct the citizen’s entry in SELF_PUBLISHED, or what its server serves.',
      kind: 'refused',
    })
  }
}

export type ProcessorDependencies = {
  directory: Pick<Directory, 'newest' | 'retirement'>
  fetchCard(url: string): Promise<SignedCard>
  /** Brings a command to the Atlas, and resolves when that was proven. */
  propose: {
    card(card: SignedCard): Promise<VerifiedCommit>
    list(citizens: readonly ListedCitizen[]): Promise<VerifiedCommit>
  }
  /** Whether the config that this worker has is its operator's newest. */
  isConfigNewest(): Promise<boolean>
}

export type ProcessorParameters = SourceOptions & {
  /** Component key of the Atlas. */
  component: Hex
  /** Of the config, in ascending order. */
  citizens: readonly ListedCitizen[]
}

/**
 * Keeps the Atlas true: brings what citizens publish, and the list of a republished config. A job is a hint, and may run twice:
 * what is to be done is read from the Atlas's certified state each time, and what was proposed is remembered until a state
 * shows it.
 */
export function createProcessor(
  { directory, fetchCard, propose, isConfigNewest }: ProcessorDependencies,
  { component, citizens, ...sources }: ProcessorParameters,
): (job: SyncJob) => Promise<AtlasSyncResult> {
  /** Height at which each proposal was decided, by what it is about; one for each citizen and one for the list. */
  const decided = new Map<string, { digest: Hex; height: bigint }>()

  return async (job) => {
    const retirement = directory.retirement()
    if (retirement !== null) throw new ComponentRetiredError(retirement)
    return job.kind === 'list' ? await bringList() : await bringCard(job)
  }

  async function bringCard({ citizen }: { citizen: Hex }): Promise<AtlasSyncResult> {
    const known = directory.newest()?.byId.get(citizen)
    if (known?.seat.isListed !== true) throw new CitizenUnknownError({ citizen })
    const [source] = listSources([known], sources)
    if (source === undefined) return { status: 'noSource' }
    const signed = await fetchCard(source.url)
    const { atlas, citizen: found, sequence } = decodeCard(signed.card)
    if (atlas !== component) throw new CardElsewhereError({ atlas, component })
    if (found !== citizen) throw new WrongCitizenError({ citizen, found })
    // A stranger's server is not to say what the Atlas is asked: members refuse too, and each refusal costs them.
    const { hash } = verifyCard(signed.card, { signature: signed.signature, signer: known.seat.cardSigner })
    if (hash === known.card?.hash || isUnderway(citizen, hash)) return { status: 'upToDate' }
    if (sequence <= known.seat.sequence) {
      throw new CardStaleError({ citizen, sequence, last: known.seat.sequence })
    }
    return await proposed(citizen, hash, () => propose.card(signed))
  }

  async function bringList(): Promise<AtlasSyncResult> {
    const held = directory.newest()
    if (held === undefined || isListed(held.citizens)) return { status: 'upToDate' }
    if (!(await isConfigNewest())) return { status: 'configSuperseded' }
    // A citizen that changed its key did so with the old one; no list may take it back.
    const list = citizens.map(({ citizen, cardSigner }) => ({
      citizen,
      cardSigner: held.byId.get(citizen)?.seat.cardSigner ?? cardSigner,
    }))
    const digest = toHex(keccak256(encodeAtlasCommand({ kind: 'list', citizens: list })))
    if (isUnderway('list', digest)) return { status: 'upToDate' }
    return await proposed('list', digest, () => propose.list(list))
  }

  function isListed(remembered: readonly AtlasCitizen[]): boolean {
    const listed = remembered.filter(({ seat }) => seat.isListed)
    return listed.length === citizens.length && listed.every((each, index) => each.citizen === citizens[index]!.citizen)
  }

  /** Decided already, above every state that was read. */
  function isUnderway(subject: string, digest: Hex): boolean {
    const last = decided.get(subject)
    const height = directory.newest()?.certified.commit.commit.height ?? 0n
    return last?.digest === digest && last.height > height
  }

  async function proposed(subject: string, digest: Hex, act: () => Promise<VerifiedCommit>): Promise<AtlasSyncResult> {
    const { height } = (await act()).commit
    decided.set(subject, { digest, height })
    return { status: 'proposed', height: height.toString() }
  }
}
