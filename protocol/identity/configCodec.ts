import { decodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { assertHex, fromHex as bytesFromHex, toHex as bytesToHex, type Hex, type UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { array, bytes, bytes32, bytes32Array, dynamicTuple, encodeAbi, string, uint } from './abi.ts'
import { CONFIG_SIZE_MAX_BYTES, CoalitionConfig, ConfigTooLargeError } from './coalition.ts'
import type { CoalitionFile } from './configFile.ts'
import { UnknownSchemaVersionError } from './configShape.ts'
import { SCHEMA_VERSION_U8 } from './id.ts'

export class TruncatedConfigError extends CoalitionError {
  constructor({ cause }: { cause?: unknown } = {}) {
    super('TRUNCATED_CONFIG', 'The canonical string ends before the config does.', {
      fix: 'Fetch it again, whole; do not complete it by hand.',
      cause,
    })
  }
}

export class NonCanonicalConfigError extends CoalitionError {
  constructor({ cause }: { cause?: unknown } = {}) {
    super('NON_CANONICAL_CONFIG', 'The string is not the canonical form of a config.', {
      fix: 'Use the string that `coalition config encode` prints: each config has exactly one.',
      cause,
    })
  }
}

export class ConfigIdMismatchError extends CoalitionError {
  constructor({ embedded, derived }: { embedded: UniqueId; derived: UniqueId }) {
    super('CONFIG_ID_MISMATCH', `The string says that it is coalition ${embedded} and derives to ${derived}.`, {
      fix: 'Do not bind to it: it was changed after it was published, or was never what it claims.',
    })
  }
}

/**
 * The canonical string of version 1: `abi.encode` of these, in Solidity's words. It says what the ids fold in, and an
 * organism's name where the config has it; members and parameters stay behind their hashes (spec §3.1).
 */
const FIELDS = parseAbiParameters([
  'uint8 schemaVersion, bytes32 coalitionId, string name, Lattice[] lattices, Organism[] organisms, Confluence[] confluences, Module[] modules, TicketIssuer[] ticketIssuer, bytes ext',
  'struct Lattice { string name; uint64 chainId; bytes32 stableId; bytes32[] contentHash; }',
  'struct Organism { string role; string name; bytes32 stableId; bytes32[] contentHash; }',
  'struct Confluence { string name; bytes32[] spans; bytes32 contentHash; bytes32 committee; bytes32 validators; }',
  'struct Module { string name; bytes32 contentHash; bytes32 committee; bytes32 validators; }',
  'struct TicketIssuer { string name; bytes32 committee; bytes32 validators; }',
])

/**
 * The canonical string of a config, from which the same coalition id and component keys are derived (spec §3.1).
 *
 * @throws {ConfigTooLargeError} more than 4 MiB.
 */
export function toHex(coalition: CoalitionConfig): Hex {
  const { schemaVersion, name, lattices, organisms, confluences, ticketIssuer, ext } = coalition
  const optional = (hash: UniqueId | undefined) => bytes32Array(hash === undefined ? [] : [hash])
  const encoded = encodeAbi([
    uint(schemaVersion),
    bytes32(coalition.coalitionId()),
    string(name),
    array(
      lattices.map((lattice) =>
        dynamicTuple([
          string(lattice.name),
          uint(BigInt(lattice.chainId)),
          bytes32(lattice.stableId()),
          optional(lattice.contentHash),
        ]),
      ),
    ),
    array(
      organisms.map((organism) =>
        dynamicTuple([
          string(organism.role),
          string(organism.name ?? ''),
          bytes32(organism.stableId()),
          optional(organism.contentHash),
        ]),
      ),
    ),
    array(
      confluences.map(({ name, spans, contentHash, genesis }) =>
        dynamicTuple([
          string(name),
          bytes32Array(spans),
          bytes32(contentHash),
          bytes32(genesis.committee),
          bytes32(genesis.validators),
        ]),
      ),
    ),
    array(
      coalition
        .modules()
        .map(({ name, contentHash, genesis }) =>
          dynamicTuple([string(name), bytes32(contentHash), bytes32(genesis.committee), bytes32(genesis.validators)]),
        ),
    ),
    array(
      (ticketIssuer === undefined ? [] : [ticketIssuer]).map(({ name, genesis }) =>
        dynamicTuple([string(name), bytes32(genesis.committee), bytes32(genesis.validators)]),
      ),
    ),
    bytes(bytesFromHex(ext)),
  ])
  if (encoded.length > CONFIG_SIZE_MAX_BYTES) throw new ConfigTooLargeError()
  return bytesToHex(encoded)
}

/**
 * Decodes exactly what `toHex` gives.
 *
 * @throws {InvalidHexError} not lower-case hex of whole bytes.
 * @throws {ConfigTooLargeError} more than 4 MiB.
 * @throws {UnknownSchemaVersionError} the first word is not 1.
 * @throws {TruncatedConfigError} it ends too early.
 * @throws {ConfigIdMismatchError} the id in it is not the one that the rest derives to.
 * @throws {NonCanonicalConfigError} it says the same in other bytes: trailing, dirty padding, another order.
 * @throws {CoalitionError} a rule of spec §3 is broken, as `defineCoalition`.
 */
export function fromHex(hex: Hex): CoalitionConfig {
  if (typeof hex === 'string' && hex.length > 2 + 2 * CONFIG_SIZE_MAX_BYTES) throw new ConfigTooLargeError()
  assertHex(hex, { field: 'the canonical string' })
  if (hex.length < 2 + 64) throw new TruncatedConfigError()
  if (BigInt(hex.slice(0, 66)) !== BigInt(SCHEMA_VERSION_U8)) throw new UnknownSchemaVersionError()
  const { coalitionId: embedded, file } = decodeFields(hex)
  const coalition = new CoalitionConfig(file)
  const derived = coalition.coalitionId()
  if (embedded !== derived) throw new ConfigIdMismatchError({ embedded, derived })
  const canonical = toHex(coalition)
  if (canonical === hex) return coalition
  throw canonical.startsWith(hex) ? new TruncatedConfigError() : new NonCanonicalConfigError()
}

/** The file that the string spells, whatever its worth: lists of 0 or 1 are cut to that, which the comparison notices. */
function decodeFields(hex: Hex): { coalitionId: UniqueId; file: CoalitionFile } {
  const [schemaVersion, coalitionId, name, lattices, organisms, confluences, modules, ticketIssuer, ext] =
    decodeAbi(hex)
  const file = {
    schemaVersion,
    name,
    lattices: lattices.map(({ contentHash: [contentHash], chainId, ...lattice }) => ({
      ...lattice,
      chainId: chainId <= Number.MAX_SAFE_INTEGER ? Number(chainId) : chainId.toString(),
      contentHash,
    })),
    organisms: organisms.map(({ contentHash: [contentHash], name, ...organism }) => ({
      ...organism,
      name: name === '' ? undefined : name,
      contentHash,
    })),
    confluences,
    modules: Object.fromEntries(modules.map(({ name, ...module }) => [name, module])),
    ticketIssuer: ticketIssuer[0],
    ext: ext === '0x' ? undefined : ext,
  }
  return { coalitionId, file: file as CoalitionFile }
}

function decodeAbi(hex: Hex) {
  try {
    return decodeAbiParameters(FIELDS, hex)
  } catch (cause) {
    const reads = ['PositionOutOfBoundsError', 'AbiDecodingDataSizeTooSmallError']
    if (cause instanceof Error && reads.includes(cause.name)) throw new TruncatedConfigError({ cause })
    throw new NonCanonicalConfigError({ cause })
  }
}
