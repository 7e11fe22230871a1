import { Command } from 'commander'
import { TICKET_VERIFIER_ADDRESS } from '../../../chain/addresses.ts'
import { connectChain } from '../../../chain/connectChain.ts'
import { createEpochs } from '../../../client/epochs.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { proveTicket } from '../../../client/proveTicket.ts'
import { readComponent } from '../../../client/readComponent.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { toAddress, toSeconds, toSequence } from '../../arguments.ts'
import { print, say } from '../../output.ts'
import { writeSecretFile } from '../../secretFile.ts'
import { readTicket } from '../../ticketArguments.ts'
import { encodeTicketProofFile } from '../../ticketProofFile.ts'

type ProveOptions = {
  config: string
  ticket: string
  member: string[]
  rpc: string
  out: string
  verifier: Hex
  index?: bigint
  maxAge?: number
  json?: boolean
}

export const proveCommand = (): Command =>
  new Command('prove')
    .description('make the on-chain form of a ticket: what a contract takes, and the ticket verifier has accepted')
    .requiredOption('--config <file>', 'coalition.json that names the issuer')
    .requiredOption('--ticket <file>', 'the ticket, as coalition ticket new wrote it, - for standard input')
    .requiredOption('--member <url...>', 'log of a member; one honest one is enough')
    .requiredOption('--rpc <url>', 'JSON-RPC endpoint of the home chain')
    .requiredOption('--out <file>', 'path of the new file (mode 0600), or - to print it')
    .option('--verifier <address>', 'the ticket verifier', toAddress, TICKET_VERIFIER_ADDRESS)
    .option('--index <number>', 'place of its issuance in the log, where that is far back', toSequence)
    .option('--max-age <seconds>', 'the age of the issuer’s newest head that its consumer accepts', toSeconds)
    .option('--json', 'print JSON: the ticket’s hash and the head that it stands under')
    .addHelpText(
      'after',
      `
The file's "arguments" follow the selector of a function that takes (Ticket, TicketProof), as TicketGate.enter does. Use it
before the issuer's next anchor: the status must be under the newest head. Whoever sees it used sees the whole ticket.
Example:
  coalition ticket prove --config coalition.json --ticket ticket.json --out proof.json \\
    --member http://127.0.0.1:4100 --rpc http://127.0.0.1:8545`,
    )
    .action(prove)

async function prove(options: ProveOptions): Promise<void> {
  const { config, ticket: file, member, rpc, out, verifier, index, maxAge, json } = options
  const component = await readComponent(config, { kind: 'tickets' })
  const ticket = await readTicket(file)
  const logs = member.map((url) => createLogReader({ url, of: component }))
  const { chainId, registry } = component.home
  const chain = await connectChain({ rpcUrl: rpc, chainId })
  const maxAgeMs = maxAge === undefined ? undefined : BigInt(Math.floor(maxAge * 1_000))
  const epochs = createEpochs(component)
  const proven = await proveTicket({ chain, logs }, { epochs, registry, verifier, ticket, index, maxAgeMs })
  await writeSecretFile(out, encodeTicketProofFile(proven))
  if (out === '-') return
  say(`wrote ${out}: it holds until the issuer’s next anchor`)
  const { newest, leafIndex } = proven.proof
  print(
    {
      ...{ ticketHash: proven.ticketHash, issuer: proven.issuer, verifier, leafIndex },
      head: { height: newest.height, anchorIndex: newest.anchorIndex, timestampMs: newest.timestampMs },
    },
    {
      json,
      text: (made) =>
        [
          `accepted  ${made.ticketHash}`,
          `issued    entry ${made.leafIndex} of ${made.issuer}`,
          `anchored  at height ${made.head.height}, its anchor number ${made.head.anchorIndex}`,
          `by        the ticket verifier at ${made.verifier}`,
        ].join('\n'),
    },
  )
}
