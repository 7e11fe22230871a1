import { Command } from 'commander'
import { connectChain } from '../../chain/connectChain.ts'
import { Atlas } from '../../client/atlas.ts'
import type { AtlasCitizen } from '../../client/atlasCatalogue.ts'
import { createAtlasModelReader, type ModelBasis, type ModelCatalogue } from '../../client/atlasModel.ts'
import { type AtlasPublisher, signCard } from '../../client/atlasPublisher.ts'
import { createLogReader } from '../../client/logReader.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import type { Submitted } from '../../client/submit.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { encodeSignedCard, toCardJson } from '../../protocol/wire/cardFile.ts'
import { toAddress, toCitizen, toSeconds, toSequence, toStableId } from '../arguments.ts'
import { MissingSequenceError, readCardFile, SignedAlreadyError } from '../cards.ts'
import { findByPrefix } from '../citizens.ts'
import { type KeyOptions, passwordOption, unlockKey } from '../keyOption.ts'
import { print, say, toJsonText } from '../output.ts'
import { addRedisOption } from '../redisOption.ts'

export class MissingSourceError extends CoalitionError {
  constructor() {
    super('MISSING_SOURCE', 'Nothing says where the Atlas is to be read from.', {
      fix: 'Give --log with members’ logs, or --worker with the URL of an atlas-sync worker.',
    })
  }
}

const NOT_COMPARED = 'without --rpc: certified, and not compared with the chain'

type WriteOptions = KeyOptions & {
  config: string
  log: string[]
  redis: string
  sequence?: bigint
  timeout: number
  json?: boolean
}
type SignOptions = KeyOptions & Pick<WriteOptions, 'config' | 'sequence'> & { file: string }
type ReadOptions = { config: string; log?: string[]; worker?: string; rpc?: string; json?: boolean }

export const atlasCommand = (): Command =>
  new Command('atlas')
    .description('read and change what an Atlas says of a coalition’s citizens')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(publishCommand())
    .addCommand(withdrawCommand())
    .addCommand(changeKeyCommand())
    .addCommand(signCommand())

const writes = (command: Command): Command =>
  addRedisOption(
    command
      .requiredOption('--config <file>', 'coalition.json that names the Atlas')
      .requiredOption('--key <file>', 'keystore of the citizen’s card key')
      .requiredOption('--log <url...>', 'logs of members, to read sequences from')
      .addOption(passwordOption()),
  )
    .option('--sequence <number>', 'of the citizen; else one more than the newest marked state knows', toSequence)
    .option('--timeout <seconds>', 'how long to wait for the acknowledgement', toSeconds, 30)
    .option('--json', 'print JSON')

const reads = (command: Command): Command =>
  command
    .requiredOption('--config <file>', 'coalition.json that names the Atlas')
    .option('--log <url...>', 'logs of members: the whole state is read, and nobody is left out unseen')
    .option('--worker <url>', 'in place of a whole state, an atlas-sync worker, which is trusted with nothing')
    .option('--rpc <url>', 'JSON-RPC endpoint of the home chain: proofs then stand under the newest head there')
    .option('--json', 'print JSON, with the proofs')

const listCommand = (): Command =>
  reads(new Command('list').description('every citizen that the Atlas remembers')).action(list)

const showCommand = (): Command =>
  reads(new Command('show').description('one citizen’s card, and what proves it'))
    .argument('<citizen>', 'stable id, or the first 20 bytes of one', toCitizen)
    .action(show)

const publishCommand = (): Command =>
  writes(new Command('publish').description('publish a card, in place of the one that there is'))
    .requiredOption('--file <file>', 'card to be signed, or signed already; - for standard input')
    .addHelpText(
      'after',
      `
A card to be signed is its members as JSON, without atlas and, where it may be the next, without sequence:
  { "citizen": "0x…", "kind": "lattice", "role": "builder", "endpoints": ["https://…"],
    "ticketRoot": "0x00…", "mrTds": [], "schemaVersion": 1 }
One that is signed already (coalition atlas sign) is brought with a submitter’s key.
Example:
  coalition atlas publish --config coalition.json --file card.json --key card-key.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(publish)

const withdrawCommand = (): Command =>
  writes(new Command('withdraw').description('withdraw a citizen’s card'))
    .requiredOption('--citizen <id>', 'stable id', toStableId)
    .action(withdraw)

const changeKeyCommand = (): Command =>
  writes(new Command('change-key').description('make another key the citizen’s card key; signed with the old one'))
    .requiredOption('--citizen <id>', 'stable id', toStableId)
    .requiredOption('--to <address>', 'address of the new card key', toAddress)
    .action(changeKey)

const signCommand = (): Command =>
  new Command('sign')
    .description('sign a card without sending it, for the citizen to serve itself')
    .requiredOption('--config <file>', 'coalition.json that names the Atlas')
    .requiredOption('--file <file>', 'card to be signed, - for standard input')
    .requiredOption('--key <file>', 'keystore of the citizen’s card key')
    .addOption(passwordOption())
    .option('--sequence <number>', 'greater than any that the citizen signed before', toSequence)
    .action(sign)

async function publish({ file, ...options }: WriteOptions & { file: string }): Promise<void> {
  const card = await readCardFile(file)
  const { sequence } = options
  if (card.kind === 'signed' && sequence !== undefined) throw new SignedAlreadyError({ path: file })
  await write(options, (publisher) =>
    card.kind === 'signed'
      ? publisher.bring(card.signed)
      : publisher.publish({ ...card.draft, ...(sequence !== undefined && { sequence }) }),
  )
}

const withdraw = ({ citizen, sequence, ...options }: WriteOptions & { citizen: Hex }): Promise<void> =>
  write(options, (publisher) => publisher.withdraw({ citizen, sequence }))

const changeKey = (options: WriteOptions & { citizen: Hex; to: Hex }): Promise<void> => {
  const { citizen, sequence, to: cardSigner } = options
  return write(options, (publisher) => publisher.changeKey({ citizen, sequence, cardSigner }))
}

async function write(options: WriteOptions, act: (publisher: AtlasPublisher) => Promise<Submitted>): Promise<void> {
  const { config, log, redis: redisUrl, timeout, json } = options
  const atlas = await readAtlas(config)
  const submitter = await unlockKey(options)
  const logs = log.map((url) => createLogReader({ url, of: atlas }))
  const publisher = await Atlas.publish({ atlas, redisUrl, logs, submitter, timeoutMs: timeout * 1000 })
  try {
    const { envelope, verified } = await act(publisher)
    const { height } = verified.commit
    const done = { component: atlas.component, submitter: submitter.signer, sequence: envelope.sequence, height }
    print(done, { json, text: () => `certified at height ${height}` })
    if (json !== true) say('It is proven by a state from the next height on that is marked for the chain.')
  } finally {
    await publisher.close()
  }
}

async function sign({ config, file, sequence: given, ...keyed }: SignOptions): Promise<void> {
  const { component } = await readAtlas(config)
  const card = await readCardFile(file)
  if (card.kind === 'signed') throw new SignedAlreadyError({ path: file })
  const sequence = given ?? card.draft.sequence
  if (sequence === undefined) throw new MissingSequenceError()
  const { secretKey } = await unlockKey(keyed)
  process.stdout.write(encodeSignedCard(signCard({ ...card.draft, atlas: component, sequence }, secretKey)))
}

async function list(options: ReadOptions): Promise<void> {
  const { json } = options
  const { basis, citizens } = await readAll(options)
  const shown = { ...describeBasis(basis), citizens: citizens.map((each) => toShown(each)) }
  print(shown, {
    json,
    text: () => [describe(basis), ...citizens.map(describeCitizen)].join('\n'),
  })
}

async function show(citizen: Hex, options: ReadOptions): Promise<void> {
  const { basis, citizens } = await readAll(options)
  const found = findByPrefix(citizens, citizen)
  print(
    { ...describeBasis(basis), ...toShown(found) },
    {
      json: options.json,
      text: () =>
        [
          describe(basis),
          describeCitizen(found),
          ...(found.card === undefined ? [] : [toJsonText(toCardJson(found.card.card), 2)]),
        ].join('\n'),
    },
  )
}

async function readAll({ config, log = [], worker: url, rpc, json }: ReadOptions): Promise<ModelCatalogue> {
  const atlas = await readAtlas(config)
  const chain = rpc === undefined ? undefined : await connectChain({ rpcUrl: rpc, chainId: atlas.home.chainId })
  const logs = log.map((each) => createLogReader({ url: each, of: atlas }))
  if (url !== undefined) {
    const catalogue = await createAtlasModelReader({ url, atlas, logs, chain }).readCatalogue()
    if (chain === undefined && json !== true) {
      say(NOT_COMPARED)
      if (logs.length === 0) say('without --log: a retirement that the worker does not show is not seen')
    }
    return catalogue
  }
  if (logs.length === 0) throw new MissingSourceError()
  const { basis, citizens } = await Atlas.read({ atlas, logs, chain }).readCatalogue()
  const { head, commit } = basis
  if (head === undefined && json !== true) say(NOT_COMPARED)
  return { citizens, basis: head === undefined ? { kind: 'certified', commit } : { kind: 'anchored', head } }
}

const readAtlas = (config: string): Promise<Component> => readComponent(config, { kind: 'atlas' })

const describeBasis = (basis: ModelBasis) =>
  basis.kind === 'anchored'
    ? { under: 'chain', height: basis.head.height, head: basis.head }
    : { under: 'certificate', height: basis.commit.commit.height, commitDigest: basis.commit.digest }

const describe = (basis: ModelBasis): string =>
  basis.kind === 'anchored'
    ? `anchored  height ${basis.head.height}, state ${basis.head.state}`
    : `certified  height ${basis.commit.commit.height}, state ${basis.commit.commit.state}`

const toShown = ({ citizen, seat, seatProof, card }: AtlasCitizen) => ({
  citizen,
  ...seat,
  seatProof,
  card: card === undefined ? null : { ...toCardJson(card.card), hash: card.hash, item: card.item, proof: card.proof },
})

/** A citizen wrote the card: what stands in it is printed as JSON, so that it cannot look like a line of ours. */
const describeCitizen = ({ citizen, seat, card }: AtlasCitizen): string =>
  [
    citizen,
    seat.isListed ? 'listed' : 'left',
    `key ${seat.cardSigner}`,
    `sequence ${seat.sequence}`,
    card === undefined ? 'no card' : `${card.card.kind} ${card.card.role} ${toJsonText(card.card.endpoints)}`,
  ].join('  ')
