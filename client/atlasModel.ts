import { openComponentRegistry } from '../chain/componentRegistry.ts'
import type { Chain } from '../chain/connectChain.ts'
import type { Head } from '../chain/head.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { CITIZENS_MAX } from '../protocol/wire/atlasParameters.ts'
import { toCardItem, toCitizenItem } from '../protocol/wire/atlasState.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import { encodeCard, hashCard } from '../protocol/wire/citizenCard.ts'
import type { CommitRecord } from '../protocol/wire/commitRecord.ts'
import { ComponentRetiredError, hashRetirementMarker } from '../protocol/wire/next.ts'
import { isStateItemUnder, type StateItem } from '../protocol/wire/stateTree.ts'
import { ATLAS_PAGE_MAX, type AtlasAnswer, type ClaimedCitizen, decodeAtlasAnswer } from './atlasAnswer.ts'
import type { AtlasCitizen, ProvenItem } from './atlasCatalogue.ts'
import { type AtlasComponent, NotInAtlasError } from './atlasReader.ts'
import { createEpochs, type Epochs, verifyCommit } from './epochs.ts'
import { FetchFailedError, fetchBounded } from './fetchBounded.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'

/** 64 citizens, each with a card of 32 KiB in JSON at the most and two proofs, and a commit with 256 signatures. */
const ANSWER_SIZE_MAX_BYTES = 1 << 22
const READ_TIMEOUT_MS = 10_000
/** How often all pages are read for one that are of one state. */
const CATALOGUE_TRIES = 3

export class AtlasModelUnreachableError extends CoalitionError {
  constructor({ url, reason, cause }: { url: string; reason: string; cause?: unknown }) {
    super('ATLAS_MODEL_UNREACHABLE', `The read model at ${url} cannot be read: ${reason}.`, {
      fix: 'Check the URL and that the worker runs, ask another one, or read from members themselves.',
      isRetryable: true,
      cause,
    })
  }
}

export class AtlasAnswerUnprovenError extends CoalitionError {
  constructor({ url, reason, cause }: { url: string; reason: string; cause?: unknown }) {
    super('ATLAS_ANSWER_UNPROVEN', `What the read model at ${url} answers is not proven: ${reason}.`, {
      fix: 'Do not rely on it. Ask another worker, or read from members themselves.',
      kind: 'refused',
      cause,
    })
  }
}

/** What an answer stands under: a commit that a quorum certified, or the newest head on chain. */
export type ModelBasis = { kind: 'certified'; commit: VerifiedCommit } | { kind: 'anchored'; head: Head }

export type CreateAtlasModelReaderParameters = {
  /** Of an atlas-sync worker, which is trusted with nothing: `http://127.0.0.1:4200`. */
  url: string
  atlas: AtlasComponent
  /** The home chain: where it is given, answers must stand under its newest head. */
  chain?: Chain | undefined
  /** Logs of members, from which rotations are learnt; without any, and without the chain, only epoch 0 is believed. */
  logs?: readonly LogReader[]
  /** Milliseconds that one read may take. @default 10,000 */
  timeoutMs?: number
}

/**
 * Reads a worker's catalogue and proves every citizen of it. What a worker leaves out, this cannot see: `Atlas.read` can. So it
 * is with a retirement, where neither chain nor logs are given.
 */
export type AtlasModelReader = {
  /**
   * @throws {NotInAtlasError} it says that the Atlas does not have the citizen, or has nothing to prove it by.
   * @throws {AtlasAnswerUnprovenError} an answer does not hold.
   * @throws {ComponentRetiredError} the chain, the logs or the commit that the worker serves show that the Atlas is retired.
   * @throws {AtlasModelUnreachableError | AtlasAnswerMalformedError} and what the chain and the logs throw.
   */
  readCitizen(citizen: Hex): Promise<AtlasCitizen & { basis: ModelBasis }>
  /** A page of citizens in ascending order, those behind `after`; as `readCitizen`. */
  readPage(of?: { after?: Hex; limit?: number }): Promise<ModelPage>
  /** Every page, all of one state: where the worker moves on to another in between, it begins anew. As `readCitizen`. */
  readCatalogue(): Promise<ModelCatalogue>
}

export type ModelCatalogue = { basis: ModelBasis; citizens: readonly AtlasCitizen[] }
export type ModelPage = ModelCatalogue & { after: Hex | null }

export function createAtlasModelReader(parameters: CreateAtlasModelReaderParameters): AtlasModelReader {
  const { atlas, chain, logs = [], timeoutMs = READ_TIMEOUT_MS } = parameters
  const url = parameters.url.replace(/\/+$/, '')
  let epochs: Epochs = createEpochs(atlas)
  const refuse = (reason: string, cause?: unknown) => new AtlasAnswerUnprovenError({ url, reason, cause })

  async function ask(path: string, query: Record<string, string> = {}): Promise<AtlasAnswer | undefined> {
    const search = new URLSearchParams({ ...query, ...(chain && { under: 'chain' }) })
    try {
      const at = `${url}/${path}?${search}`
      const body = await fetchBounded(at, { timeoutMs, sizeMaxBytes: ANSWER_SIZE_MAX_BYTES })
      return body && decodeAtlasAnswer(new TextDecoder().decode(body))
    } catch (error) {
      if (!(error instanceof FetchFailedError)) throw error
      throw new AtlasModelUnreachableError({ url, reason: error.message, cause: error.cause })
    }
  }

  function verifyRecord(record: CommitRecord): VerifiedCommit {
    try {
      return verifyCommit(epochs, record)
    } catch (cause) {
      if (!(cause instanceof CoalitionError)) throw cause
      throw refuse('the certificate of its commit does not hold', cause)
    }
  }

  async function verifyBasis({
    record,
    head,
    retirement: said,
  }: AtlasAnswer): Promise<{ basis: ModelBasis; state: Hex }> {
    if (chain !== undefined) {
      if (head === null) throw refuse('it names no head of the chain')
      const registry = await openComponentRegistry(chain, { address: atlas.home.registry })
      const { component } = atlas
      if (!(await registry.isNewest({ component, head }))) throw refuse('its head is not the newest on chain')
      const retirement = head.retired ? await registry.readRetirement(atlas) : undefined
      if (retirement !== undefined) throw new ComponentRetiredError({ component, reason: '', ...retirement })
      return { basis: { kind: 'anchored', head }, state: head.state }
    }
    epochs = await followEpochs({ logs }, epochs)
    if (epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
    const commit = verifyRecord(record)
    if (said !== null) {
      const marker = { component: atlas.component, ...said }
      if (hashRetirementMarker(marker) === record.commit.next) throw new ComponentRetiredError(marker)
      throw refuse('it says that the Atlas is retired, and its commit does not')
    }
    return { basis: { kind: 'certified', commit }, state: record.commit.state }
  }

  function verifyCitizen({ card, ...claimed }: ClaimedCitizen, state: Hex): AtlasCitizen {
    const { citizen, seatProof, ...seat } = claimed
    const prove = (item: StateItem, proof: readonly Hex[]): ProvenItem => {
      if (isStateItemUnder(state, { item, proof })) return { item, proof }
      throw refuse(`what it says of ${citizen} is not under the state root`)
    }
    const proven = { citizen, seat, seatProof: prove(toCitizenItem(citizen, seat), seatProof) }
    if (card === null) return { ...proven, card: undefined }
    if (card.card.citizen !== citizen) throw refuse(`the card that it gives for ${citizen} is another citizen’s`)
    const [bytes, hash] = [encodeCard(card.card), hashCard(card.card)]
    return { ...proven, card: { ...prove(toCardItem(citizen, hash), card.proof), card: card.card, bytes, hash } }
  }

  async function readPage({ after, limit = ATLAS_PAGE_MAX }: { after?: Hex; limit?: number } = {}): Promise<ModelPage> {
    const answer = await ask('citizens', { limit: String(limit), ...(after && { after }) })
    if (answer === undefined) throw refuse('it has no state to prove anything by')
    const { basis, state } = await verifyBasis(answer)
    const ids = [...(after === undefined ? [] : [after]), ...answer.citizens.map(({ citizen }) => citizen)]
    if (ids.some((id, index) => index > 0 && id <= ids[index - 1]!)) throw refuse('its citizens are out of order')
    // A page that promises another has somebody on it: the pages end.
    if (answer.after !== null && (answer.citizens.length === 0 || answer.after !== ids.at(-1))) {
      throw refuse('its next page begins elsewhere')
    }
    return { basis, citizens: answer.citizens.map((each) => verifyCitizen(each, state)), after: answer.after }
  }

  return {
    readPage,
    async readCatalogue() {
      for (let tries = 0; tries < CATALOGUE_TRIES; tries++) {
        let page = await readPage()
        const { basis } = page
        const citizens = [...page.citizens]
        let isOneState = true
        while (isOneState && page.after !== null && citizens.length <= CITIZENS_MAX) {
          page = await readPage({ after: page.after })
          isOneState = stateOf(page.basis) === stateOf(basis)
          citizens.push(...page.citizens)
        }
        if (isOneState && page.after === null) return { basis, citizens }
      }
      throw new AtlasModelUnreachableError({ url, reason: 'its state changes faster than its pages can be read' })
    },
    async readCitizen(citizen) {
      const answer = await ask(`citizens/${citizen}`)
      if (answer === undefined) throw new NotInAtlasError({ citizen })
      const { basis, state } = await verifyBasis(answer)
      const [claimed] = answer.citizens
      if (claimed?.citizen !== citizen) throw refuse('it answers with another citizen')
      return { ...verifyCitizen(claimed, state), basis }
    },
  }
}

const stateOf = (basis: ModelBasis): Hex => (basis.kind === 'anchored' ? basis.head.state : basis.commit.commit.state)
