import { readFile } from 'node:fs/promises'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type CoalitionConfig, parseCoalition } from '../protocol/identity/coalition.ts'
import { encodeLogOrigin } from '../protocol/log/logOrigin.ts'
import { encodeChronicleParameters } from '../protocol/wire/chronicleParameters.ts'
import { deriveDetails, type Member } from '../protocol/wire/committee.ts'
import { UnreadableInputError } from './unreadableInput.ts'

/** The name by which workers know it. */

/** A Chronicle as a config spells it out: all that is needed to run it, write to it or check it. */
export type Chronicle = {
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
  /** Encoded parameters, as the content hash binds them. */
  parameters: Uint8Array
  /** The one registry that is authoritative for it. */
  home: { chainId: bigint; registry: Hex }
  /** Origin of its log (spec §6). */
  origin: string
}

export class NoChronicleError extends CoalitionError {
  constructor({ missing }: { missing: string }) {
    super('NO_CHRONICLE', `The config does not spell out a Chronicle: ${missing} missing.`, {
      fix: 'Use the operator’s file with modules.chronicle.members and .parameters, and home at the top; hashes alone cannot be run.',
    })
  }
}

/**
 * @throws {UnreadableInputError} no such file.
 * @throws {NoChronicleError} no Chronicle, or only hashes of it.
 * @throws {CoalitionError} as `parseCoalition`.
 */
export async function readChronicle(path: string): Promise<Chronicle> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new UnreadableInputError({ path, cause })
  }
  return resolveChronicle(parseCoalition(text))
}

/** @throws {NoChronicleError} */
export function resolveChronicle(coalition: CoalitionConfig): Chronicle {
  const chronicle = coalition.chronicle()
  if (chronicle === undefined) throw new NoChronicleError({ missing: 'modules.chronicle is' })
  const { genesis, parameters } = chronicle
  if (genesis.members === undefined) throw new NoChronicleError({ missing: 'its members are' })
  if (parameters === undefined) throw new NoChronicleError({ missing: 'its parameters are' })
  if (coalition.home === undefined) throw new NoChronicleError({ missing: 'the home is' })
  const component = chronicle.componentKey()
  return {
    coalition,
    componentId: chronicle.componentId(),
    component,
    members: genesis.members,
    signers: genesis.members.map(({ signer }) => signer),
    details: deriveDetails(genesis.members),
    parameters: encodeChronicleParameters(parameters),
    home: { chainId: BigInt(coalition.home.chainId), registry: coalition.home.registry },
    origin: encodeLogOrigin(component),
  }
}
