import { Command } from 'commander'
import { createEpochs, currentCommittee } from '../../../client/epochs.ts'
import { followEpochs } from '../../../client/followEpochs.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { readComponent } from '../../../client/readComponent.ts'
import { signTicket } from '../../../client/signTicket.ts'
import { quorumOf } from '../../../protocol/wire/committee.ts'
import { hashTicket } from '../../../protocol/wire/ticket.ts'
import { toSeconds } from '../../arguments.ts'
import { print, say } from '../../output.ts'
import { writeSecretFile } from '../../secretFile.ts'
import { readTicket } from '../../ticketArguments.ts'

type SignOptions = { config: string; ticket: string; member: string[]; out: string; timeout: number; json?: boolean }

export const signCommand = (): Command =>
  new Command('sign')
    .description('have a quorum of the issuer’s members sign a ticket, as JWS JSON for consumers off the chain')
    .requiredOption('--config <file>', 'coalition.json that names the issuer')
    .requiredOption('--ticket <file>', 'the ticket, as coalition ticket new wrote it, - for standard input')
    .requiredOption('--member <url...>', 'log of a member; give as many as a quorum has, or more')
    .requiredOption('--out <file>', 'path of the new token (mode 0600), or - to print it')
    .option('--timeout <seconds>', 'how long a member may take', toSeconds, 5)
    .option('--json', 'print JSON: who signed, and until when it holds')
    .addHelpText(
      'after',
      `
Every signature is checked here, against the committee that the members' logs lead to from the one that the config names.
The members that are asked learn the ticket; the token tells its reader subject, audience, window and hash.
Example:
  coalition ticket sign --config coalition.json --ticket ticket.json --out ticket.jws \\
    --member http://127.0.0.1:4100 http://127.0.0.1:4101 http://127.0.0.1:4102`,
    )
    .action(sign)

async function sign({ config, ticket: file, member, out, timeout, json }: SignOptions): Promise<void> {
  const component = await readComponent(config, { kind: 'tickets' })
  const ticket = await readTicket(file)
  const timeoutMs = timeout * 1_000
  const logs = member.map((url) => createLogReader({ url, of: component, timeoutMs }))
  const epochs = await followEpochs({ logs }, createEpochs(component))
  const ticketsRoot = component.coalition.ticketIssuerRoot()!
  const signed = await signTicket({ urls: member }, { ticket, ticketsRoot, epochs, timeoutMs })
  await writeSecretFile(out, signed.jws)
  if (out === '-') return
  say(`wrote ${out}: it lets its subject in until it ends, revoked or not`)
  const { signers, epoch } = currentCommittee(epochs)
  print(
    {
      ticketHash: hashTicket(ticket),
      epoch,
      quorum: quorumOf(signers.length),
      signers: signed.signers,
      notAfter: ticket.notAfter,
    },
    {
      json,
      text: (made) =>
        [
          `signed    ${made.ticketHash}`,
          `by        ${made.signers.length} of ${signers.length}, a quorum is ${made.quorum}: ${made.signers.join(', ')}`,
          `valid     until second ${made.notAfter}`,
        ].join('\n'),
    },
  )
}
