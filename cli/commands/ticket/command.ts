import { Command } from 'commander'
import { commandIssuer } from '../../../client/commandIssuer.ts'
import { createEpochs } from '../../../client/epochs.ts'
import { findIssuance } from '../../../client/findIssuance.ts'
import { followEpochs } from '../../../client/followEpochs.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { readComponent } from '../../../client/readComponent.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { signEnvelope } from '../../../protocol/wire/envelope.ts'
import type { TicketCommand } from '../../../protocol/wire/ticketCommand.ts'
import { toSeconds, toSequence } from '../../arguments.ts'
import { type KeyOptions, passwordOption, unlockKey } from '../../keyOption.ts'
import { print } from '../../output.ts'
import { addRedisOption } from '../../redisOption.ts'
import { nameTicket, type TicketNames, toBytes32, toTime } from '../../ticketArguments.ts'

type CommandOptions = KeyOptions & {
  config: string
  log: string
  redis: string
  sequence?: bigint
  anchor?: boolean
  timeout: number
  json?: boolean
}

/** What a command does of tickets: decided as a whole, or not at all. */
type Asked = { kind: 'issued' | 'renewed' | 'revoked'; ticketHash: Hex; issued?: Hex; command: TicketCommand }

const addCommandOptions = (command: Command): Command =>
  addRedisOption(
    command
      .requiredOption('--config <file>', 'coalition.json that names the issuer')
      .requiredOption('--key <file>', 'keystore of an authorised issuer')
      .requiredOption('--log <url>', 'log of any member, to read the last sequence and the ticket’s place from')
      .addOption(passwordOption()),
  )
    .option('--sequence <number>', 'sequence of the envelope, to repeat one safely', toSequence)
    .option('--anchor', 'mark the commit for the chain at once, whatever the cadence')
    .option('--timeout <seconds>', 'how long to wait for the acknowledgement', toSeconds, 30)
    .option('--json', 'print JSON')

const addTicketOptions = (command: Command, what: string): Command =>
  command
    .option('--ticket <file>', `${what}, as coalition ticket new wrote it, - for standard input`)
    .option('--hash <hex>', `hash of ${what}, where its holder keeps the rest`, toBytes32)

export const issueCommand = (): Command =>
  addCommandOptions(addTicketOptions(new Command('issue').description('issue a ticket'), 'the ticket'))
    .option('--not-after <seconds>', 'with --hash: its last second, since 1970', toTime)
    .addHelpText(
      'after',
      `
The issuer's log shows the hash alone. Members sign it from now on, and a contract takes it once the commit is anchored.
Example:
  coalition ticket issue --config coalition.json --hash 0x… --not-after 1767225600 --key issuer.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(async (options: CommandOptions & TicketOptions, command: Command) => {
      const { ticketHash, notAfter } = await nameTicket(command, { ...toNamed(options), flag: 'ticket' })
      if (notAfter === undefined) command.error('error: --hash needs --not-after <seconds>')
      const issue = { kind: 'issue', ticketHash, notAfter: notAfter! } as const
      await run(options, { kind: 'issued', ticketHash, issued: ticketHash, command: issue })
    })

export const renewCommand = (): Command =>
  addCommandOptions(
    addTicketOptions(
      new Command('renew').description('revoke a ticket and issue another in its place, in one step'),
      'the old ticket',
    ),
  )
    .option('--new <file>', 'the new ticket')
    .option('--new-hash <hex>', 'hash of the new ticket', toBytes32)
    .option('--not-after <seconds>', 'with --new-hash: its last second, since 1970', toTime)
    .addHelpText(
      'after',
      `
Example:
  coalition ticket renew --config coalition.json --ticket ticket.json --new next.json --key issuer.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(async (options: CommandOptions & TicketOptions & { new?: string; newHash?: Hex }, command: Command) => {
      const { ticketHash } = await nameTicket(command, { ...toNamed(options), flag: 'ticket' })
      const next = { file: options.new, hash: options.newHash, notAfter: options.notAfter, flag: 'new' }
      const { ticketHash: newTicketHash, notAfter } = await nameTicket(command, next)
      if (notAfter === undefined) command.error('error: --new-hash needs --not-after <seconds>')
      const renew = { kind: 'renew', ticketHash, newTicketHash, notAfter: notAfter! } as const
      await run(options, { kind: 'renewed', ticketHash, issued: newTicketHash, command: renew })
    })

export const revokeCommand = (): Command =>
  addCommandOptions(addTicketOptions(new Command('revoke').description('revoke a ticket, for good'), 'the ticket'))
    .addHelpText(
      'after',
      `
Members that know of it sign the ticket no more; contracts refuse it once this is anchored, or when their maximum age has
passed. A token that was signed before lives until it ends: whoever cannot wait asks for its status.
Example:
  coalition ticket revoke --config coalition.json --hash 0x… --anchor --key issuer.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(async (options: CommandOptions & TicketOptions, command: Command) => {
      const { ticketHash } = await nameTicket(command, { ...toNamed(options), flag: 'ticket' })
      await run(options, { kind: 'revoked', ticketHash, command: { kind: 'revoke', ticketHash } })
    })

type TicketOptions = { ticket?: string; hash?: Hex; notAfter?: bigint }

const toNamed = ({ ticket: file, hash, notAfter }: TicketOptions): TicketNames => ({ file, hash, notAfter })

type Commanded = {
  component: Hex
  status: Asked['kind']
  ticketHash: Hex
  issued: Hex | null
  /** Place of what was issued in the log. */
  index: bigint | null
  height: bigint
  sequence: bigint
  isMarked: boolean
}

async function run(options: CommandOptions, { kind, ticketHash, issued, command }: Asked): Promise<void> {
  const { config, log: logUrl, redis, sequence: given, anchor, timeout, json } = options
  const component = await readComponent(config, { kind: 'tickets' })
  const log = createLogReader({ url: logUrl, of: component })
  const key = await unlockKey(options)
  const epochs = await followEpochs({ logs: [log] }, createEpochs(component))
  const commands = anchor ? [command, { kind: 'requestAnchor' } as const] : [command]
  const { sequence, verified } = await commandIssuer(
    { log, redisUrl: redis },
    {
      ...{ epochs, commands, issuer: key.signer, sequence: given, timeoutMs: timeout * 1_000 },
      sign: (envelope) => signEnvelope(envelope, key.secretKey),
    },
  )
  const { commit } = verified
  let index: bigint | null = null
  if (issued !== undefined) {
    // The member that serves the log need not be the one that answered first.
    await log.waitForCommit(commit.height, { timeoutMs: timeout * 1_000 })
    const found = await findIssuance(log, { ticketHash: issued, size: commit.logSize, root: commit.logRoot })
    index = found.index
  }
  const commanded: Commanded = {
    component: component.component,
    status: kind,
    ticketHash,
    issued: issued ?? null,
    index,
    height: commit.height,
    sequence,
    isMarked: commit.anchor,
  }
  print(commanded, { json, text: describeCommanded })
}

const describeCommanded = ({ status, ticketHash, issued, index, height, sequence, isMarked }: Commanded): string =>
  [
    `${status.padEnd(9)} ${ticketHash}`,
    ...(issued === null || issued === ticketHash ? [] : [`issued    ${issued}`]),
    ...(index === null ? [] : [`entry     ${index} of the issuer’s log`]),
    `certified at height ${height}, sequence ${sequence}${isMarked ? ', marked for the chain' : ''}`,
  ].join('\n')
