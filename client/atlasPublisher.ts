import { CardElsewhereError, NoCardError } from '../modules/atlas/machine.ts'
import type { Hex } from '../protocol/bytes.ts'
import { type AtlasCommand, encodeAtlasCommand } from '../protocol/wire/atlasCommand.ts'
import type { ListedCitizen } from '../protocol/wire/atlasParameters.ts'
import type { CardDraft, SignedCard } from '../protocol/wire/cardFile.ts'
import {
  type CardKeyChange,
  type CardWithdrawal,
  type CitizenCard,
  deriveCardDigest,
  deriveKeyChangeDigest,
  deriveWithdrawalDigest,
  encodeCard,
} from '../protocol/wire/citizenCard.ts'
import { signDigest } from '../protocol/wire/signature.ts'
import { type AtlasComponent, createAtlasReader, NotInAtlasError } from './atlasReader.ts'
import { createWriter, type SigningKey } from './createWriter.ts'
import { createEpochs } from './epochs.ts'
import { type LogReader, NotInLogError } from './logReader.ts'
import type { Submitted } from './submit.ts'

export type CreateAtlasPublisherParameters = {
  atlas: AtlasComponent
  redisUrl: string
  /** Logs of members: the first that answers says which sequence the submitter is at; rotations are learnt from all. */
  logs: readonly LogReader[]
  /** Who brings it: a submitter that the parameters list, or the citizen's card key itself. */
  submitter: SigningKey
  /** What signs for the citizen. @default the submitter */
  cardKey?: SigningKey | undefined
  /** How long to wait for each proven acknowledgement. @default 30,000 */
  timeoutMs?: number
}

/**
 * Brings cards to an Atlas. Each call resolves with a proven acknowledgement: a quorum's certificate and the envelope's place
 * under it. The card itself is provable from the next commit on that is marked for the chain. One call at a time is on its
 * way, in the order in which they were made.
 *
 * @throws each: {SubmissionRefusedError} members refuse it, and the message says why; {NoQuorumError};
 *   {ComponentRetiredError}; {RedisUnreachableError}; and what the log reader throws.
 */
export type AtlasPublisher = {
  /**
   * Signs a card and publishes it, in place of the one that there is. Where `sequence` is left out, here and below, it is one
   * more than the last that the newest marked state, or this publisher, knows of the citizen.
   *
   * @throws {CardMalformedError} @throws {CardElsewhereError} it names another Atlas.
   */
  publish(draft: CardDraft): Promise<Submitted>
  /** Publishes the card that the citizen has, with `changes`. @throws {NotInAtlasError | NoCardError} it has none. */
  update(citizen: Hex, changes: Partial<Omit<CardDraft, 'atlas' | 'citizen'>>): Promise<Submitted>
  withdraw(of: Pick<CardDraft, 'citizen' | 'sequence'>): Promise<Submitted>
  /** Makes `cardSigner` the citizen's card key; signed with the one that it has. */
  changeKey(of: Pick<CardDraft, 'citizen' | 'sequence'> & { cardSigner: Hex }): Promise<Submitted>
  /** Brings what a citizen signed elsewhere. */
  bring(signed: SignedCard): Promise<Submitted>
  /** Brings the citizens of a republished config, in ascending order. Submitters alone may. */
  list(citizens: readonly ListedCitizen[]): Promise<Submitted>
  close(): Promise<void>
}

/** @returns the citizen's signature of its card. @throws {CardMalformedError} */
export function signCard(card: CitizenCard, secretKey: Uint8Array): SignedCard {
  const bytes = encodeCard(card)
  return { card: bytes, signature: signDigest(deriveCardDigest(card), secretKey) }
}

/** `Atlas.publish`. @throws {RedisUnreachableError} @throws {ComponentRetiredError} @throws what `followEpochs` throws. */
export async function createAtlasPublisher(parameters: CreateAtlasPublisherParameters): Promise<AtlasPublisher> {
  const { atlas, redisUrl, logs, submitter, cardKey = submitter, timeoutMs } = parameters
  const { component } = atlas
  const reader = createAtlasReader({ atlas, logs })
  const writer = await createWriter({ redisUrl, logs }, { epochs: createEpochs(atlas), key: submitter, timeoutMs })
  /** Of what was acknowledged of each citizen: a state that is served may be older. */
  const signed = new Map<Hex, bigint>()
  let queue: Promise<unknown> = Promise.resolve()

  function inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = queue.then(act)
    queue = turn.catch(() => {})
    return turn
  }

  const submit = (command: AtlasCommand): Promise<Submitted> => writer.write([encodeAtlasCommand(command)])

  /** What the citizen has signed last, as far as it is known here. */
  async function lastOf(citizen: Hex): Promise<bigint> {
    const known = signed.get(citizen) ?? 0n
    const seat = await findCitizen(citizen)
    return seat !== undefined && seat.seat.sequence > known ? seat.seat.sequence : known
  }

  /** Undefined where no state is served yet, or it does not have the citizen. */
  async function findCitizen(citizen: Hex) {
    try {
      return await reader.readCitizen(citizen)
    } catch (error) {
      if (error instanceof NotInLogError || error instanceof NotInAtlasError) return undefined
      throw error
    }
  }

  async function sign<Of extends Pick<CardDraft, 'citizen' | 'sequence'>>(
    draft: Of,
    toCommand: (of: Of & { atlas: Hex; sequence: bigint }) => AtlasCommand,
  ): Promise<Submitted> {
    const { citizen } = draft
    const sequence = draft.sequence ?? (await lastOf(citizen)) + 1n
    const submitted = await submit(toCommand({ ...draft, atlas: component, sequence }))
    signed.set(citizen, sequence)
    return submitted
  }

  async function publish({ atlas: named = component, ...draft }: CardDraft): Promise<Submitted> {
    if (named !== component) throw new CardElsewhereError({ atlas: named, component })
    return await sign(draft, (card) => ({ kind: 'publish', ...signCard(card, cardKey.secretKey) }))
  }
  const signatureOf = (digest: Hex): Hex => signDigest(digest, cardKey.secretKey)

  return {
    publish: (draft) => inTurn(() => publish(draft)),
    update: (citizen, changes) =>
      inTurn(async () => {
        const found = await findCitizen(citizen)
        if (found === undefined) throw new NotInAtlasError({ citizen })
        if (found.card === undefined) throw new NoCardError({ citizen })
        return await publish({ ...found.card.card, sequence: undefined, ...changes, citizen })
      }),
    withdraw: (of) =>
      inTurn(() =>
        sign(of, ({ atlas: of, citizen, sequence }) => {
          const withdrawal: CardWithdrawal = { atlas: of, citizen, sequence }
          return { kind: 'withdraw', withdrawal, signature: signatureOf(deriveWithdrawalDigest(withdrawal)) }
        }),
      ),
    changeKey: (of) =>
      inTurn(() =>
        sign(of, ({ atlas: of, citizen, cardSigner, sequence }) => {
          const change: CardKeyChange = { atlas: of, citizen, cardSigner, sequence }
          return { kind: 'changeKey', change, signature: signatureOf(deriveKeyChangeDigest(change)) }
        }),
      ),
    bring: (card) => inTurn(() => submit({ kind: 'publish', ...card })),
    list: (citizens) => inTurn(() => submit({ kind: 'list', citizens })),
    close: () => writer.close(),
  }
}
