import { Command, Option } from 'commander'
import { TICKET_VERIFIER_ADDRESS } from '../../../chain/addresses.ts'
import { connectChain } from '../../../chain/connectChain.ts'
import { openTicketVerifier } from '../../../chain/ticketVerifier.ts'
import { checkTicket } from '../../../client/checkTicket.ts'
import { createEpochs, currentCommittee } from '../../../client/epochs.ts'
import { followEpochs } from '../../../client/followEpochs.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { type Component, readComponent } from '../../../client/readComponent.ts'
import { type Hex, isHex } from '../../../protocol/bytes.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { createIssuedByValidator } from '../../../protocol/tickets/issuedByValidator.ts'
import { decodeBase64Url, decodeJsonObject, JWS_SIZE_MAX, malformed } from '../../../protocol/tickets/jws.ts'
import { TicketRefusedError } from '../../../protocol/tickets/ticketValidator.ts'
import { ComponentRetiredError } from '../../../protocol/wire/next.ts'
import { toAddress, toSeconds } from '../../arguments.ts'
import { readInput } from '../../input.ts'
import { print } from '../../output.ts'
import { type AudienceOptions, addAudienceOptions, chooseAudience, toLifetime } from '../../ticketArguments.ts'
import { readTicketProofFile } from '../../ticketProofFile.ts'

type VerifyOptions = AudienceOptions & {
  config: string
  jws?: string
  proof?: string
  subject: Hex
  member?: string[]
  rpc?: string
  verifier: Hex
  maxAge?: number
  lifetimeMax: bigint
  json?: boolean
}

export class OtherIssuerError extends CoalitionError {
  constructor({ issuer, expected }: { issuer: Hex; expected: Hex }) {
    super('OTHER_ISSUER', `The proven ticket is of issuer ${issuer}, and the config names ${expected}.`, {
      fix: 'Verify it with the config of the coalition whose issuer you recognise.',
      kind: 'refused',
    })
  }
}

type Verified = {
  verified: true
  form: 'jws' | 'onChain'
  ticketHash: Hex
  subject: Hex
  audience: Hex
  /** The last second in which it is to be honoured. */
  notAfter: bigint
  /** Null where nobody asked. */
  status: { height: bigint; timestampMs: bigint } | null
}

export const verifyCommand = (): Command =>
  addAudienceOptions(
    new Command('verify')
      .description('judge a ticket as its consumer does, in either form')
      .requiredOption('--config <file>', 'coalition.json whose issuer is recognised')
      .requiredOption('--subject <address>', 'who shows the ticket', toAddress)
      .addOption(
        new Option(
          '--jws <file>',
          'the token, as coalition ticket sign wrote it, - for standard input; needs --member',
        ).conflicts('proof'),
      )
      .option(
        '--proof <file>',
        'or its on-chain form, as coalition ticket prove wrote it, - for standard input; needs --rpc',
      )
      .option('--member <url...>', 'with --jws: logs of members, to follow the committee and to ask for the status')
      .option('--rpc <url>', 'with --proof: JSON-RPC endpoint of the home chain')
      .option('--verifier <address>', 'with --proof: the ticket verifier', toAddress, TICKET_VERIFIER_ADDRESS)
      .option(
        '--max-age <seconds>',
        'how late a revocation may be learnt; with --jws its status is asked for only if given',
        toSeconds,
      )
      .addOption(
        new Option('--lifetime-max <seconds>', 'with --jws: how long a ticket may be: 1 to 2^40')
          .argParser(toLifetime)
          .default(86_400n, '86400'),
      )
      .option('--json', 'print JSON'),
  )
    .addHelpText(
      'after',
      `
A token is judged by its signatures alone, so a revocation does not reach it before its end: --max-age asks the members for
its status as well, in a state that a quorum certified and that is no older. The on-chain form is what the contract says of it.
Example:
  coalition ticket verify --config coalition.json --jws ticket.jws --audience-name https://rollup.example \\
    --subject 0x70997970c51812dc3a010c7d01b50e0d17dc79c8 --member http://127.0.0.1:4100 --max-age 120`,
    )
    .action(async (options: VerifyOptions, command: Command) => {
      const audience = chooseAudience(command, options)
      const component = await readComponent(options.config, { kind: 'tickets' })
      const { jws, proof, member, rpc } = options
      let verified: Verified
      if (jws !== undefined) {
        if (member === undefined) command.error('error: --jws needs --member <url...>')
        verified = await verifyToken(component, { ...options, jws, member: member!, audience })
      } else {
        if (proof === undefined) command.error('error: give --jws <file> or --proof <file>')
        if (rpc === undefined) command.error('error: --proof needs --rpc <url>')
        verified = await verifyOnChain(component, { ...options, proof: proof!, rpc: rpc!, audience })
      }
      print(verified, { json: options.json, text: describeVerified })
    })

async function verifyToken(
  component: Component,
  options: VerifyOptions & { jws: string; member: string[]; audience: Hex },
): Promise<Verified> {
  const { member, audience, subject, maxAge, lifetimeMax } = options
  const jws = (await readInput(options.jws, { sizeMaxBytes: JWS_SIZE_MAX })).trim()
  const logs = member.map((url) => createLogReader({ url, of: component }))
  const epochs = await followEpochs({ logs }, createEpochs(component))
  // Nobody can revoke a retired issuer's tickets any more: the contract honours none, and neither does this.
  if (epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
  const { signers } = currentCommittee(epochs)
  const rules = {
    ticketsRoot: component.coalition.ticketIssuerRoot()!,
    signers,
    audience,
    lifetimeMaxMs: Number(lifetimeMax) * 1_000,
  }
  const nowMs = Date.now()
  const endsAtMs = createIssuedByValidator(rules).validate({ class: 'issued-by', jws }, { signer: subject }, nowMs)
  const { payload } = decodeJsonObject(new TextEncoder().encode(jws))
  const { jti: ticketHash } = decodeJsonObject(decodeBase64Url(payload))
  if (!isHex(ticketHash, 32)) throw malformed('a ticket’s hash in jti')
  const notAfter = BigInt(Math.floor(endsAtMs / 1_000))
  const found = { verified: true, form: 'jws', ticketHash, subject, audience, notAfter } as const
  if (maxAge === undefined) return { ...found, status: null }
  const maxAgeMs = BigInt(Math.floor(maxAge * 1_000))
  const checked = await checkTicket({ logs }, { epochs, ticketHash, maxAgeMs, nowMs: BigInt(nowMs) })
  const { status, height, timestampMs } = checked
  if (status === 'revoked')
    throw new TicketRefusedError('TICKET_REVOKED', `The ticket ${ticketHash} is revoked at height ${height}`)
  if (status === 'unknown')
    throw new TicketRefusedError('TICKET_UNKNOWN', `The issuer knows no ticket ${ticketHash} at height ${height}`)
  return { ...found, status: { height, timestampMs } }
}

async function verifyOnChain(
  component: Component,
  options: VerifyOptions & { proof: string; rpc: string; audience: Hex },
): Promise<Verified> {
  const { audience, subject, rpc, maxAge } = options
  const { issuer, ticket, ticketHash, proof } = await readTicketProofFile(options.proof)
  if (issuer !== component.component) throw new OtherIssuerError({ issuer, expected: component.component })
  if (ticket.subject !== subject) {
    throw new TicketRefusedError('TICKET_SUBJECT_MISMATCH', `The ticket is for ${ticket.subject}, not for ${subject}`)
  }
  const chain = await connectChain({ rpcUrl: rpc, chainId: component.home.chainId })
  // Not the one that the file names: whoever made it could have deployed one that accepts everything.
  const { registry } = component.home
  const verifier = await openTicketVerifier(chain, { address: options.verifier, registry })
  const maxAgeMs = maxAge === undefined ? 2n ** 64n - 1n : BigInt(Math.floor(maxAge * 1_000))
  await verifier.verifyTicket({ issuer, ticket, proof, audience, maxAgeMs })
  const { height, timestampMs } = proof.newest
  const { notAfter } = ticket
  return { verified: true, form: 'onChain', ticketHash, subject, audience, notAfter, status: { height, timestampMs } }
}

const describeVerified = ({ form, ticketHash, subject, audience, notAfter, status }: Verified): string =>
  [
    `verified  ${ticketHash}, ${form === 'jws' ? 'by a quorum’s signatures' : 'by the ticket verifier'}`,
    `subject   ${subject}`,
    `audience  ${audience}`,
    `valid     until second ${notAfter}`,
    status === null
      ? 'status    not asked for: a revocation would not show before the end'
      : `status    valid at height ${status.height}, ${new Date(Number(status.timestampMs)).toISOString()}`,
  ].join('\n')
