import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import { assertTicket, encodeTicketJson } from '../../../protocol/tickets/ticketJson.ts'
import { hashTicket, type Ticket } from '../../../protocol/wire/ticket.ts'
import { toAddress } from '../../arguments.ts'
import { print, say } from '../../output.ts'
import { writeSecretFile } from '../../secretFile.ts'
import {
  type AudienceOptions,
  addAudienceOptions,
  chooseAudience,
  toBytes32,
  toLifetime,
  toTime,
} from '../../ticketArguments.ts'

type NewOptions = AudienceOptions & {
  subject: Hex
  id?: Hex
  notBefore?: bigint
  lifetime: bigint
  out: string
  json?: boolean
}

export const newCommand = (): Command =>
  addAudienceOptions(
    new Command('new')
      .description(
        'make a ticket and keep it in a file (mode 0600); prints its hash, which is all that an issuer needs',
      )
      .requiredOption('--subject <address>', 'who may use it', toAddress)
      .requiredOption('--lifetime <seconds>', 'from its first second to its last: 1 to 2^40', toLifetime)
      .requiredOption('--out <file>', 'path of the new file; an existing one is never overwritten')
      .option('--not-before <seconds>', 'its first second since 1970; else now', toTime)
      .option('--id <hex>', 'the issuer’s own name for it, 32 bytes; else random', toBytes32)
      .option('--json', 'print JSON'),
  )
    .addHelpText(
      'after',
      `
Whoever holds the file may have the ticket signed. Give the issuer its hash and its last second alone.
A consumer refuses a token that lasts longer than it allows: coalition ticket verify allows a day unless --lifetime-max says
otherwise, and rules of admission 31622400 seconds (366 days) at the most. The on-chain form may last as long as it says.
Example:
  coalition ticket new --subject 0x70997970c51812dc3a010c7d01b50e0d17dc79c8 --lifetime 3600 \\
    --audience-name https://rollup.example --out ticket.json`,
    )
    .action(async (options: NewOptions, command: Command) => {
      const { subject, id, lifetime, out, json } = options
      const notBefore = options.notBefore ?? BigInt(Math.floor(Date.now() / 1_000))
      const ticket: Ticket = {
        ticketId: id ?? toHex(new Uint8Array(randomBytes(32))),
        subject,
        audience: chooseAudience(command, options),
        notBefore,
        notAfter: notBefore + lifetime,
        salt: toHex(new Uint8Array(randomBytes(32))),
      }
      assertTicket(ticket)
      await writeSecretFile(out, encodeTicketJson(ticket))
      // Asked to print the ticket, it prints nothing else.
      if (out === '-') return
      say(`wrote ${out}: whoever reads it may have the ticket signed`)
      const { audience, notAfter } = ticket
      print(
        { ticketHash: hashTicket(ticket), subject, audience, notBefore, notAfter },
        {
          json,
          text: (made) =>
            [
              `hash      ${made.ticketHash}`,
              `subject   ${made.subject}`,
              `audience  ${made.audience}`,
              `valid     from second ${made.notBefore} to ${made.notAfter}`,
            ].join('\n'),
        },
      )
    })
