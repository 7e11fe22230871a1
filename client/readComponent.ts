import { readFile } from 'node:fs/promises'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type CoalitionConfig, parseCoalition } from '../protocol/identity/coalition.ts'
import { encodeLogOrigin } from '../protocol/log/logOrigin.ts'
import type { AdmissionRule } from '../protocol/tickets/admissionRules.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { deriveDetails, type Member } from '../protocol/wire/committee.ts'
import { UnreadableInputError } from './unreadableInput.ts'

/** The components of a config that this runtime runs, by the names that their ids take (spec §3). */
export const COMPONENT_KINDS = ['atlas', 'almanac', 'chronicle', 'tickets'] as const
export type ComponentKind = (typeof COMPONENT_KINDS)[number]

/** A component as a config spells it out: all that is needed to run it, ask it something or check it. */
export type Component = {
  kind: ComponentKind
  coalition: CoalitionConfig
  /** Survives republication of the config (spec §3). */
  componentId: Hex
  /** Component key (spec §7.1). */
  component: Hex
  members: readonly Readonly<Member>[]
  /** Addresses of `members`, strictly ascending. */
  signers: readonly Hex[]
  /** What the committee hash commits to beside the signers (spec §5.1). */
  details: Hex
  /** Encoded parameters: a module's as its content hash binds them, a ticket issuer's as the file has them. */
  parameters: Uint8Array
  /** The one registry that is authoritative for it. */
  home: { chainId: bigint; registry: Hex }
  /** Origin of its log (spec §6). */
  origin: string
  /** Signature of its ticket validators (spec §8.3); zero where it admits anyone. */
  validators: Hex
  /** The rules that they are the signature of; undefined where the config gives that alone. */
  admission: readonly AdmissionRule[] | undefined
}

/** Where a config has a component of each kind. */
const PLACES: Record<ComponentKind, string> = {
  atlas: 'modules.atlas',
  almanac: 'modules.almanac',
  chronicle: 'modules.chronicle',
  tickets: 'ticketIssuer',
}

export class NoComponentError extends CoalitionError {
  constructor({ missing, place }: { missing: string; place: string }) {
    super('NO_COMPONENT', `The config does not spell out this component: ${missing} is missing.`, {
      fix: `Use the operator’s file, with ${place}.members and .parameters, and home at the top; hashes alone cannot be run.`,
    })
  }
}

export class AdmissionRulesMissingError extends CoalitionError {
  constructor() {
    super('ADMISSION_RULES_MISSING', 'The config gives the signature of the ticket validators and not their rules.', {
      fix: 'Use the operator’s file with the component’s "admission": whom to admit cannot be told from a hash.',
    })
  }
}

/**
 * Whom a component admits, for a process that has to judge it: no rules where it admits anyone.
 *
 * @throws {AdmissionRulesMissingError} the config has only their signature.
 */
export function requireAdmissionRules({
  validators,
  admission,
}: Pick<Component, 'validators' | 'admission'>): readonly AdmissionRule[] {
  if (admission === undefined && validators !== ZERO_BYTES32) throw new AdmissionRulesMissingError()
  return admission ?? []
}

/**
 * @throws {UnreadableInputError} no such file.
 * @throws {NoComponentError} the config does not ship it, or only hashes of it.
 * @throws {CoalitionError} as `parseCoalition`.
 */
export async function readComponent(path: string, options: { kind: ComponentKind }): Promise<Component> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new UnreadableInputError({ path, cause })
  }
  return resolveComponent(parseCoalition(text), options)
}

/** @throws {NoComponentError} the config does not ship it, or only hashes of it. */
export function resolveComponent(coalition: CoalitionConfig, { kind }: { kind: ComponentKind }): Component {
  const { home } = coalition
  const place = PLACES[kind]
  const config = kind === 'tickets' ? coalition.ticketIssuer : coalition[kind]()
  if (config === undefined) throw new NoComponentError({ place, missing: place })
  const { genesis, encodedParameters: parameters } = config
  if (genesis.members === undefined) throw new NoComponentError({ place, missing: `${place}.members` })
  if (parameters === undefined) throw new NoComponentError({ place, missing: `${place}.parameters` })
  if (home === undefined) throw new NoComponentError({ place, missing: 'home' })
  const component = config.componentKey()
  return {
    kind,
    coalition,
    componentId: config.componentId(),
    component,
    members: genesis.members,
    signers: genesis.members.map(({ signer }) => signer),
    details: deriveDetails(genesis.members),
    parameters,
    home: { chainId: BigInt(home.chainId), registry: home.registry },
    origin: encodeLogOrigin(component),
    validators: genesis.validators,
    admission: genesis.admission,
  }
}
