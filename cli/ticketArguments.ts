import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Hex, isHex } from '../protocol/bytes.ts'
import { deriveContractAudience, deriveNamedAudience } from '../protocol/tickets/audience.ts'
import { decodeTicketJson, TICKET_JSON_SIZE_MAX_BYTES, TICKET_TIME_MAX } from '../protocol/tickets/ticketJson.ts'
import { hashTicket, type Ticket } from '../protocol/wire/ticket.ts'
import { toAddress } from './arguments.ts'
import { readInput } from './input.ts'

/** What several commands about tickets take, as commander hands it over. */

/** @throws {UnreadableInputError | InputTooLargeError | InvalidTicketError} */
export const readTicket = async (path: string): Promise<Ticket> =>
  decodeTicketJson(await readInput(path, { sizeMaxBytes: TICKET_JSON_SIZE_MAX_BYTES }))

export type AudienceOptions = { audience?: Hex; audienceName?: Hex; audienceContract?: Hex }

/** Whom a ticket is for: one of three ways to say it. */
export const addAudienceOptions = (command: Command): Command =>
  command
    .addOption(new Option('--audience <hex>', 'whom it is for: 32 bytes').argParser(toBytes32))
    .addOption(
      new Option('--audience-name <text>', 'the name that its consumer goes by, a URL say')
        .argParser(toNamedAudience)
        .conflicts(['audience', 'audienceContract']),
    )
    .addOption(
      new Option('--audience-contract <chain:address>', 'a contract that names itself as TicketGate does')
        .argParser(toContractAudience)
        .conflicts(['audience', 'audienceName']),
    )

export function chooseAudience(command: Command, options: AudienceOptions): Hex {
  const audience = options.audience ?? options.audienceName ?? options.audienceContract
  return audience ?? command.error('error: give --audience <hex>, --audience-name <text> or --audience-contract <…>')
}

export type TicketNames = { file: string | undefined; hash: Hex | undefined; notAfter: bigint | undefined }

/** A ticket that is named by its file, or by its hash where the preimage is its holder’s alone. */
export type NamedTicket = { ticketHash: Hex; notAfter: bigint | undefined }

export async function nameTicket(
  command: Command,
  { file, hash, notAfter, flag }: TicketNames & { flag: string },
): Promise<NamedTicket> {
  if (file !== undefined) {
    const ticket = await readTicket(file)
    return { ticketHash: hashTicket(ticket), notAfter: ticket.notAfter }
  }
  if (hash === undefined) return command.error(`error: give --${flag} <file>, or its hash`)
  return { ticketHash: hash, notAfter }
}

export function toBytes32(text: string): Hex {
  if (!isHex(text, 32)) throw new InvalidArgumentError('Give 32 bytes of lower-case hex.')
  return text
}

/** Seconds since the Unix epoch. */
export function toTime(text: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,12})$/.test(text) || BigInt(text) > TICKET_TIME_MAX)
    throw new InvalidArgumentError('Give whole seconds since 1970, up to 2^40.')
  return BigInt(text)
}

/** Seconds, up to what a token can say: how much of it counts is each consumer's to decide. */
export function toLifetime(text: string): bigint {
  if (!/^[1-9][0-9]{0,12}$/.test(text) || BigInt(text) > TICKET_TIME_MAX)
    throw new InvalidArgumentError('Give whole seconds, from 1 to 2^40.')
  return BigInt(text)
}

function toNamedAudience(text: string): Hex {
  // Hex that is not of its length would become a name without a word.
  if (text === '' || text.length > 256 || text.startsWith('0x'))
    throw new InvalidArgumentError('Give a name of up to 256 characters that does not begin with 0x.')
  return deriveNamedAudience(text)
}

function toContractAudience(text: string): Hex {
  const [, chainId, address] = /^([1-9][0-9]{0,18}):(0x[0-9a-fA-F]{40})$/.exec(text) ?? []
  if (chainId === undefined) throw new InvalidArgumentError('Give CHAINID:ADDRESS.')
  return deriveContractAudience({ chainId: BigInt(chainId), address: toAddress(address!) })
}
