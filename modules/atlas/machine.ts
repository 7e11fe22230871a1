import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Command, Machine } from '../../protocol/machine.ts'
import { type AtlasCommand, decodeAtlasCommand } from '../../protocol/wire/atlasCommand.ts'
import {
  encodeCardKeyChanged,
  encodeCardPublished,
  encodeCardWithdrawn,
  encodeCitizenListed,
  encodeCitizenUnlisted,
} from '../../protocol/wire/atlasEvent.ts'
import {
  type AtlasParameters,
  CITIZENS_MAX,
  decodeAtlasParameters,
  type ListedCitizen,
} from '../../protocol/wire/atlasParameters.ts'
import { type CitizenSeat, toCardItem, toCitizenItem } from '../../protocol/wire/atlasState.ts'
import { isSignedBy } from '../../protocol/wire/certificate.ts'
import {
  CardForgedError,
  decodeCard,
  deriveKeyChangeDigest,
  deriveWithdrawalDigest,
  hashCard,
  verifyCard,
} from '../../protocol/wire/citizenCard.ts'
import type { StateItem } from '../../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'
import {
  type Anchoring,
  anchorDueAtMs,
  finishAnchoring,
  listAnchoringItems,
  noteEntry,
  UNANCHORED,
} from '../anchorCadence.ts'
import { decodeAtlasSnapshot, encodeAtlasSnapshot } from './snapshot.ts'

/** A card as the citizen signed it: what `encodeCard` gives, and its EIP-712 hash. */
export type PublishedCard = { readonly bytes: Uint8Array; readonly hash: Hex }

/** A citizen that is listed, or was: its key and sequence outlive its seat, or leaving and coming back would reset them. */
export type Citizen = CitizenSeat & {
  /** Undefined where it has none published. */
  readonly card: PublishedCard | undefined
}

export type AtlasState = {
  parameters: AtlasParameters
  anchoring: Anchoring
  /** By stable id; at most CITIZENS_MAX. */
  citizens: ReadonlyMap<Hex, Citizen>
}

export class AtlasSubmitterRefusedError extends CoalitionError {
  constructor({ submitter }: { submitter: Hex }) {
    super('ATLAS_SUBMITTER_REFUSED', `${submitter} may not ask this of the Atlas.`, {
      fix: 'Use the key of a submitter that the parameters list, or the citizen’s own card key for its own card.',
      kind: 'refused',
    })
  }
}

export class CitizenUnknownError extends CoalitionError {
  constructor({ citizen }: { citizen: Hex }) {
    super('CITIZEN_UNKNOWN', `${citizen} is no citizen of this coalition.`, {
      fix: 'Publish a config that lists it, and bring the new list to the Atlas first.',
      kind: 'refused',
    })
  }
}

export class CardStaleError extends CoalitionError {
  constructor({ citizen, sequence, last }: { citizen: Hex; sequence: bigint; last: bigint }) {
    super('CARD_STALE', `${citizen} has signed sequence ${last} already; this is ${sequence}.`, {
      fix: 'Sign with a sequence greater than the last.',
      kind: 'refused',
    })
  }
}

export class CardElsewhereError extends CoalitionError {
  constructor({ atlas, component }: { atlas: Hex; component: Hex }) {
    super('CARD_ELSEWHERE', `What was signed is for the Atlas ${atlas}; this one is ${component}.`, {
      fix: 'Sign it for this Atlas’s component key.',
      kind: 'refused',
    })
  }
}

export class NoCardError extends CoalitionError {
  constructor({ citizen }: { citizen: Hex }) {
    super('NO_CARD', `${citizen} has no card published here.`, {
      fix: 'There is nothing to withdraw or to update: publish one first.',
      kind: 'refused',
    })
  }
}

export class CardKeyChangedByListError extends CoalitionError {
  constructor({ citizen, cardSigner }: { citizen: Hex; cardSigner: Hex }) {
    super('CARD_KEY_CHANGED_BY_LIST', `The list gives ${citizen} another card key than ${cardSigner}, its own.`, {
      fix: `List ${cardSigner}; only the citizen changes its key, with the old one.`,
      kind: 'refused',
    })
  }
}

export class CitizensFullError extends CoalitionError {
  constructor() {
    super('CITIZENS_FULL', `The Atlas would remember more than ${CITIZENS_MAX} citizens, those that left included.`, {
      fix: 'Start an Atlas under a new committee for a coalition that has changed so much.',
      kind: 'refused',
    })
  }
}

const SUBMITTER_TYPEHASH = deriveTypehash('AtlasSubmitter(address submitter,bool isAuthorised)')

/** The Atlas: one card for each citizen that wants one, signed by the citizen, provable under the state root (spec §10). */
export const atlas: Machine<AtlasState> = {
  version: 1,

  genesis(bytes) {
    const parameters = decodeAtlasParameters(bytes)
    const citizens = parameters.citizens.map(({ citizen, cardSigner }): [Hex, Citizen] => [
      citizen,
      { cardSigner, isListed: true, sequence: 0n, card: undefined },
    ])
    return { parameters, anchoring: UNANCHORED, citizens: new Map(citizens) }
  },

  validate(state, command) {
    const decoded = decodeAtlasCommand(command.payload)
    if (decoded.kind === 'list' || decoded.kind === 'requestAnchor') {
      assertSubmitter(state, { submitter: command.submitter })
      if (decoded.kind === 'list') assertList(state, decoded.citizens)
      return
    }
    assertSigned(state, { command, decoded })
  },

  apply(state, { payload }, { timestampMs }) {
    const command = decodeAtlasCommand(payload)
    if (command.kind === 'requestAnchor') {
      return { state: { ...state, anchoring: { ...state.anchoring, isRequested: true } }, events: [] }
    }
    const { citizens, events } =
      command.kind === 'list' ? applyList(state, command.citizens) : applySigned(state, command)
    const anchoring = events.length > 0 ? noteEntry(state.anchoring, timestampMs) : state.anchoring
    return { state: { ...state, anchoring, citizens }, events }
  },

  finish(state, context) {
    const { anchoring, anchor } = finishAnchoring(state.anchoring, state.parameters, context)
    return { state: { ...state, anchoring }, anchor, events: [] }
  },

  dueAtMs: ({ parameters, anchoring }) => anchorDueAtMs(anchoring, parameters),

  items: ({ parameters, anchoring, citizens }) => [
    ...parameters.submitters.map(toSubmitterItem),
    ...listAnchoringItems(anchoring, parameters),
    ...[...citizens].flatMap(([citizen, { card, ...seat }]) => [
      toCitizenItem(citizen, seat),
      ...(card === undefined ? [] : [toCardItem(citizen, card.hash)]),
    ]),
  ],

  snapshot: encodeAtlasSnapshot,
  restore: decodeAtlasSnapshot,
}

/** @throws {CardMalformedError} the bytes are no card. */
export const toPublishedCard = (bytes: Uint8Array): PublishedCard => ({ bytes, hash: hashCard(decodeCard(bytes)) })

type SignedCommand = Extract<AtlasCommand, { kind: 'publish' | 'withdraw' | 'changeKey' }>

function assertSubmitter({ parameters }: AtlasState, { submitter, also }: { submitter: Hex; also?: Hex }): void {
  if (parameters.submitters.includes(submitter) || submitter === also) return
  throw new AtlasSubmitterRefusedError({ submitter })
}

/** Cheap to dear: who brings it, for which Atlas and citizen, how old it is, and only then the signature. */
function assertSigned(state: AtlasState, { command, decoded }: { command: Command; decoded: SignedCommand }): void {
  const { component, submitter } = command
  const { atlas: signedFor, citizen, sequence } = subjectOf(decoded)
  const known = state.citizens.get(citizen)
  assertSubmitter(state, { submitter, ...(known?.isListed && { also: known.cardSigner }) })
  if (signedFor !== component) throw new CardElsewhereError({ atlas: signedFor, component })
  if (!known?.isListed) throw new CitizenUnknownError({ citizen })
  if (sequence <= known.sequence) throw new CardStaleError({ citizen, sequence, last: known.sequence })
  const { cardSigner: signer } = known
  const { signature } = decoded
  if (decoded.kind === 'publish') {
    verifyCard(decoded.card, { signature, signer })
    return
  }
  if (decoded.kind === 'withdraw' && known.card === undefined) throw new NoCardError({ citizen })
  const digest =
    decoded.kind === 'withdraw' ? deriveWithdrawalDigest(decoded.withdrawal) : deriveKeyChangeDigest(decoded.change)
  if (!isSignedBy({ digest, signature, signer })) throw new CardForgedError({ citizen, signer })
}

const subjectOf = (command: SignedCommand): { atlas: Hex; citizen: Hex; sequence: bigint } => {
  if (command.kind === 'publish') return decodeCard(command.card)
  return command.kind === 'withdraw' ? command.withdrawal : command.change
}

function assertList({ citizens }: AtlasState, list: readonly ListedCitizen[]): void {
  for (const { citizen, cardSigner } of list) {
    const known = citizens.get(citizen)
    if (known !== undefined && known.cardSigner !== cardSigner) {
      throw new CardKeyChangedByListError({ citizen, cardSigner: known.cardSigner })
    }
  }
  const newCount = list.filter(({ citizen }) => !citizens.has(citizen)).length
  if (citizens.size + newCount > CITIZENS_MAX) throw new CitizensFullError()
}

type Changed = { citizens: ReadonlyMap<Hex, Citizen>; events: Uint8Array[] }

function applySigned({ citizens }: AtlasState, command: SignedCommand): Changed {
  const { citizen, sequence } = subjectOf(command)
  const known = citizens.get(citizen)!
  const change = (next: Partial<Citizen>, event: Uint8Array): Changed => ({
    citizens: new Map(citizens).set(citizen, { ...known, sequence, ...next }),
    events: [event],
  })
  switch (command.kind) {
    case 'publish':
      // A copy: the command's bytes are a view of an envelope that would otherwise live as long as the card.
      return change({ card: toPublishedCard(Uint8Array.from(command.card)) }, encodeCardPublished(command.card))
    case 'withdraw':
      return change({ card: undefined }, encodeCardWithdrawn({ citizen, sequence }))
    case 'changeKey':
      return change({ cardSigner: command.change.cardSigner }, encodeCardKeyChanged(command.change))
  }
}

function applyList(state: AtlasState, list: readonly ListedCitizen[]): Changed {
  const citizens = new Map(state.citizens)
  const events: Uint8Array[] = []
  const listed = new Set(list.map(({ citizen }) => citizen))
  for (const [citizen, known] of state.citizens) {
    if (!known.isListed || listed.has(citizen)) continue
    citizens.set(citizen, { ...known, isListed: false, card: undefined })
    events.push(encodeCitizenUnlisted(citizen))
  }
  for (const entry of list) {
    const known = citizens.get(entry.citizen)
    if (known?.isListed) continue
    const { cardSigner } = entry
    citizens.set(entry.citizen, { cardSigner, sequence: 0n, ...known, isListed: true, card: undefined })
    events.push(encodeCitizenListed(entry))
  }
  return { citizens, events }
}

const toSubmitterItem = (submitter: Hex): StateItem => ({
  typehash: SUBMITTER_TYPEHASH,
  key: toHex(packWords([submitter])),
  value: toHex(packWords([1n])),
})
