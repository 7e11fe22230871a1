import { join } from 'node:path'
import { pino } from 'pino'
import { COMPONENT_REGISTRY_ADDRESS } from '../../../chain/addresses.ts'
import { type TicketIssuerState, ticketIssuer } from '../../../modules/tickets/machine.ts'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import { keccak256 } from '../../../protocol/hash.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { deriveNamedAudience } from '../../../protocol/tickets/audience.ts'
import type { Commit } from '../../../protocol/wire/commit.ts'
import { encodeEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../../protocol/wire/governance.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { hashTicket, type Ticket } from '../../../protocol/wire/ticket.ts'
import { encodeTicketCommand, type TicketCommand } from '../../../protocol/wire/ticketCommand.ts'
import { encodeTicketIssuerParameters } from '../../../protocol/wire/ticketIssuerParameters.ts'
import { packWords } from '../../../protocol/wire/typedData.ts'
import { createTicketServer } from '../../../workers/member/ticketServer.ts'
import { createTicketSigner } from '../../../workers/member/ticketSigner.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import { createTestDir, startMemberOf, type TestMemberOf } from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'
import { serve } from './serve.ts'

export const HEARTBEAT_EVERY_SECONDS = 3_600

export type IssuerMember = TestMemberOf<TicketIssuerState>

export const keys = createTestMembers(8)
export const signersOf = (indexes: readonly number[]): Hex[] => indexes.map((index) => keys[index]!.signer)
/** The genesis committee. */
export const FIRST = [0, 1, 2, 3]
export const members = signersOf(FIRST).map((signer) => ({ signer }))
/** The key that may issue and revoke. */
export const issuer = keys[7]!
const parameters = {
  issuers: [issuer.signer],
  anchorEveryCommits: 1_000,
  anchorEverySeconds: 1_000,
  // Silent but for its commands, so that what a test has anchored stays the newest for as long as it takes.
  heartbeatEverySeconds: HEARTBEAT_EVERY_SECONDS,
}
/** A coalition that ships its issuer alone. */
export const coalition = defineCoalition({
  schemaVersion: 1,
  name: 'tickets.test',
  home: { chainId: 31_337, registry: COMPONENT_REGISTRY_ADDRESS },
  ticketIssuer: { name: 'tickets.test.issuer', members, parameters },
})
export const componentId = coalition.ticketIssuer!.componentId()
export const component = coalition.ticketIssuer!.componentKey()
export const ticketsRoot = coalition.ticketIssuerRoot()!
export const holder: Hex = `0x${'51'.repeat(20)}`
export const audience = deriveNamedAudience('https://gate.example')

let made = 0
/** A ticket like no other, valid for ten minutes around now where nothing else is said. */
export function createTestTicket(changes: Partial<Ticket> = {}): Ticket {
  made += 1
  const now = BigInt(Math.floor(Date.now() / 1_000))
  return {
    ticketId: toHex(keccak256(packWords([made]))),
    subject: holder,
    audience,
    notBefore: now - 300n,
    notAfter: now + 300n,
    salt: toHex(keccak256(packWords([made, 1]))),
    ...changes,
  }
}

export const issueOf = (ticket: Ticket, notAfter = ticket.notAfter): TicketCommand => ({
  kind: 'issue',
  ticketHash: hashTicket(ticket),
  notAfter,
})
export const revokeOf = (ticket: Ticket): TicketCommand => ({ kind: 'revoke', ticketHash: hashTicket(ticket) })

/** Members of a ticket issuer on one in-memory network, each with a store of its own. */
export async function startIssuer(indexes: readonly number[] = FIRST) {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const encoded = encodeTicketIssuerParameters(parameters)
  const running: IssuerMember[] = []
  for (const index of indexes) {
    const seat = { index, dir: join(dir, String(index)), transport: network.connect(index), key: keys[index]! }
    running.push(await startMemberOf(ticketIssuer, { ...seat, component, committee: signersOf(FIRST), encoded }))
  }
  const sequences = new Map<Hex, bigint>()

  async function submit(key: (typeof keys)[number], payloads: readonly Uint8Array[]): Promise<Commit> {
    const sequence = (sequences.get(key.signer) ?? 0n) + 1n
    sequences.set(key.signer, sequence)
    const envelope = { component, submitter: key.signer, sequence, commands: payloads }
    const bytes = encodeEnvelope(signEnvelope(envelope, key.secretKey))
    for (;;) {
      try {
        return (await running[0]!.driver.submit(bytes)).record.commit
      } catch (error) {
        if (!(error as { isRetryable?: boolean }).isRetryable) throw error
      }
    }
  }

  return {
    network,
    running,

    /** Has commands decided in one commit; resolves when every member that runs has decided it too. */
    async command(...commands: readonly TicketCommand[]): Promise<Commit> {
      const commit = await submit(issuer, commands.map(encodeTicketCommand))
      await until(() => running.every(({ replica }) => replica.state().height >= commit.height))
      return commit
    },

    /** A quorum of the genesis committee decides it. */
    async govern(command: GovernanceCommand): Promise<void> {
      for (const index of [0, 1, 2]) await submit(keys[index]!, [encodeGovernanceCommand(command)])
      const [{ epoch, retirement }, own] = [decided(running[0]!), running]
      await until(() => own.every((each) => decided(each).epoch === epoch && decided(each).retirement === retirement))
    },

    stop(): void {
      for (const member of running) member.kill()
    },
  }
}

const decided = ({ replica }: IssuerMember) => {
  const { epoch, governance } = replica.state()
  return { epoch, retirement: governance.retirement?.effectiveHeight }
}

export const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A member's signer, as its process makes it; `nowMs` where its clock is to be another. */
export const signerOf = ({ replica, signer }: IssuerMember, nowMs: () => number = Date.now) => {
  const { secretKey } = keys.find((key) => key.signer === signer)!
  const deps = { state: replica.state, clock: { nowMs }, sign: (digest: Hex) => signDigest(digest, secretKey) }
  return createTicketSigner(deps, { ticketsRoot, signer })
}

/** Serves what a member of a ticket issuer serves, on loopback; remembers all that is logged of tickets. */
export async function serveTickets(
  member: IssuerMember,
  options: Parameters<typeof createTicketServer>[1] = {},
): Promise<{ url: string; logged: string[]; close(): Promise<void> }> {
  const logged: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) })
  const server = await serve(member, undefined, createTicketServer({ signer: signerOf(member), logger }, options))
  return { ...server, logged }
}
