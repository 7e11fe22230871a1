import { blake3 } from '@noble/hashes/blake3.js'
import { AbiCoder, concat, getBytes, hexlify, keccak256, toUtf8Bytes } from 'ethers'

/**
 * The table of spec §3 once more, in another hand and with another ABI library, straight from a config file's JSON: what
 * the implementation is compared with. Checks nothing.
 */

// biome-ignore lint/suspicious/noExplicitAny: a second opinion owes nothing to the first one's types.
type Json = any

const ZERO = `0x${'00'.repeat(32)}`
const abi = AbiCoder.defaultAbiCoder()
const hash = (...parts: (string | Uint8Array)[]): string => hexlify(blake3(getBytes(concat(parts))))
const id = (tag: string, types: string[], values: unknown[]): string =>
  hash('0x01', toUtf8Bytes(tag), toUtf8Bytes('|'), abi.encode(types, values))
const derive = (parent: string, label: string): string => hash(parent, toUtf8Bytes(label))
const UNIVERSE = hash(toUtf8Bytes('mosaik.universe'))
const optional = (value: string | undefined): string[] => (value === undefined ? [] : [value])

const latticeId = ({ name, chainId, stableId }: Json): string =>
  stableId ?? hash(toUtf8Bytes(`builder|${name}|chain=${chainId}`))

const organismId = ({ name, stableId }: Json): string =>
  stableId ?? id('organism', ['bytes32', 'string'], [UNIVERSE, name])

function committeeHash({ committee, members }: Json): string {
  if (committee !== undefined) return committee
  const signers = abi.encode(['address[]'], [members.map((member: Json) => member.signer)])
  const typehash = keccak256(toUtf8Bytes('CommitteeDetails(bytes32[] noteKeys)'))
  const noteKeys = members.map((member: Json) => member.noteKey ?? ZERO)
  const details = members.some((member: Json) => member.noteKey !== undefined)
    ? keccak256(abi.encode(['bytes32', 'bytes32[]'], [typehash, noteKeys]))
    : ZERO
  return keccak256(abi.encode(['bytes32', 'bytes32'], [keccak256(signers), details]))
}

/** What each module is told, in the order of its ABI. */
const PARAMETERS: Record<string, readonly [type: string, key: string][]> = {
  atlas: [
    ['address[]', 'submitters'],
    ['tuple(bytes32 citizen, address cardSigner)[]', 'citizens'],
  ],
  almanac: [['uint32', 'tickEveryMs']],
  chronicle: [['address[]', 'submitters']],
}

function contentHash(module: string, { contentHash, parameters }: Json, home: Json): string {
  if (contentHash !== undefined) return contentHash
  const fields = [...PARAMETERS[module]!, ['uint32', 'anchorEveryCommits'], ['uint32', 'anchorEverySeconds']]
  const encoded = abi.encode(
    fields.map(([type]) => type!),
    fields.map(([, key]) => parameters[key!]),
  )
  return id('content', ['uint64', 'address', 'bytes'], [home.chainId, home.registry, encoded])
}

/** Keys in order at every depth; the defaults that a rule of each class has are part of what is hashed. */
const canonical = (value: Json): Json =>
  Array.isArray(value)
    ? value.map(canonical)
    : typeof value === 'object'
      ? Object.fromEntries(
          Object.keys(value)
            .sort()
            .map((name) => [name, canonical(value[name])]),
        )
      : value

function ruleSignature({ class: name, ...rule }: Json): string {
  const defaults = name === 'tdx' ? { lifetimeMaxMs: 24 * 3_600_000 } : { skewMs: 60_000 }
  return id('ticket-validator', ['string', 'string'], [name, JSON.stringify(canonical({ ...defaults, ...rule }))])
}

const validators = (entry: Json): string =>
  entry.admission === undefined
    ? (entry.validators ?? ZERO)
    : id('ticket-validators', ['bytes32[]'], [entry.admission.map(ruleSignature).sort()])

const acl = (entry: Json): string => id('acl', ['bytes32', 'bytes32'], [committeeHash(entry), validators(entry)])

const key = (componentId: string, entry: Json): string =>
  keccak256(abi.encode(['bytes32', 'bytes32'], [componentId, committeeHash(entry)]))

export function derivePlainly(file: Json): Json {
  const { name, home, lattices = [], organisms = [], confluences = [], modules = {}, ticketIssuer, ext } = file
  const coalition = id('coalition', ['string'], [name])
  const component = (label: string): string => id('component', ['bytes32', 'string'], [coalition, label])

  const latticeList = lattices.map((lattice: Json) => {
    const stableId = latticeId(lattice)
    const values = [lattice.name, lattice.chainId, stableId, optional(lattice.contentHash)]
    const fingerprint = id('lattice-ref', ['string', 'uint64', 'bytes32', 'bytes32[]'], values)
    return { name: lattice.name, stableId, fingerprint }
  })
  const organismList = organisms.map((organism: Json) => {
    const stableId = organismId(organism)
    const values = [organism.role, stableId, optional(organism.contentHash)]
    const fingerprint = id('organism-ref', ['string', 'bytes32', 'bytes32[]'], values)
    return { role: organism.role, stableId, fingerprint }
  })
  const confluenceList = confluences.map((confluence: Json) => {
    const values = [confluence.name, confluence.spans, confluence.contentHash, acl(confluence)]
    const fingerprint = id('confluence', ['string', 'bytes32[]', 'bytes32', 'bytes32'], values)
    return { name: confluence.name, fingerprint, componentKey: key(fingerprint, confluence) }
  })
  const issuer = ticketIssuer && id('ticket-issuer', ['string', 'bytes32'], [ticketIssuer.name, acl(ticketIssuer)])

  const coalitionRoot = id(
    'coalition-root',
    ['bytes32', 'bytes32[]', 'bytes32[]', 'bytes32[]', 'bytes32[]'],
    [
      coalition,
      latticeList.map((lattice: Json) => lattice.stableId),
      organismList.map((organism: Json) => organism.stableId),
      confluenceList.map((confluence: Json) => confluence.fingerprint),
      optional(issuer),
    ],
  )
  const moduleMap: Json = {}
  for (const label of ['atlas', 'almanac', 'chronicle', 'compute']) {
    const entry = modules[label]
    if (entry === undefined) continue
    const root = derive(derive(coalitionRoot, 'module'), label)
    const fingerprint = id(
      'module',
      ['bytes32', 'bytes32', 'bytes32'],
      [root, contentHash(label, entry, home), acl(entry)],
    )
    const componentId = component(label)
    moduleMap[label] = { root, fingerprint, componentId, componentKey: key(componentId, entry) }
  }
  const configId = id(
    'coalition-config',
    ['bytes32', 'bytes32[]', 'bytes32[]', 'bytes32[]'],
    [
      coalitionRoot,
      latticeList.map((lattice: Json) => lattice.fingerprint),
      organismList.map((organism: Json) => organism.fingerprint),
      Object.values(moduleMap).map((module: Json) => module.fingerprint),
    ],
  )
  const isExtended = ext !== undefined && ext !== '0x'
  return {
    schemaVersion: 1,
    coalition,
    coalitionRoot,
    coalitionId: isExtended ? id('coalition-config-ext', ['bytes32', 'bytes32'], [configId, hash(ext)]) : configId,
    lattices: latticeList,
    organisms: organismList,
    confluences: confluenceList,
    modules: moduleMap,
    ticketIssuer: ticketIssuer
      ? {
          fingerprint: issuer,
          root: derive(coalitionRoot, 'tickets'),
          componentId: component('tickets'),
          componentKey: key(component('tickets'), ticketIssuer),
        }
      : null,
  }
}
