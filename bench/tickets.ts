import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createKey } from '../client/keystore.ts'
import { ticketIssuer } from '../modules/tickets/machine.ts'
import { toHex } from '../protocol/bytes.ts'
import { keccak256 } from '../protocol/hash.ts'
import { ENVELOPE_COMMANDS_MAX, encodeEnvelope, signEnvelope } from '../protocol/wire/envelope.ts'
import { encodeTicketCommand } from '../protocol/wire/ticketCommand.ts'
import { encodeTicketIssuerParameters } from '../protocol/wire/ticketIssuerParameters.ts'
import { packWords } from '../protocol/wire/typedData.ts'
import { ROOT } from '../scripts/services.ts'
import { openReplica } from '../workers/member/replica.ts'
import { initStore, openStore } from '../workers/member/store.ts'
import { type Figure, quantile } from './measure.ts'

/** How many tickets are remembered; the last is as many as may be. */
const TICKETS = [16, 1_024, 16_384]
/** Commits of which the median counts; each issues one ticket. */
const COMMITS = 15

/** What a ticket issuer's commit costs a member that votes for it, by how many tickets the issuer remembers. */
export async function benchTickets(): Promise<Figure[]> {
  return TICKETS.map((tickets) => ({
    name: `CPU a commit, ${tickets.toLocaleString('en')} tickets`,
    value: quantile(measureCommits(tickets), 0.5),
    unit: 'ms',
  }))
}

/** Issues `tickets` in all. The last of them one by one: CPU of each of these commits, in milliseconds. */
function measureCommits(tickets: number): number[] {
  mkdirSync(join(ROOT, '.bench'), { recursive: true })
  const dir = mkdtempSync(join(ROOT, '.bench', 'tickets-'))
  try {
    const issuer = openIssuer(dir)
    for (let left = tickets - COMMITS; left > 0; left -= ENVELOPE_COMMANDS_MAX) {
      issuer.commit(Math.min(left, ENVELOPE_COMMANDS_MAX))
    }
    const cpuMs = Array.from({ length: COMMITS }, () => issuer.commit(1))
    issuer.close()
    return cpuMs
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** One member of an issuer, with its store on disk, and without the votes. */
function openIssuer(dir: string) {
  const key = createKey()
  const { signer } = key
  const component = toHex(keccak256(packWords([signer])))
  initStore({ dir, component, signer })
  const store = openStore({ dir, component, signer })
  const parameters = encodeTicketIssuerParameters({
    issuers: [signer],
    anchorEveryCommits: 1_000_000,
    anchorEverySeconds: 1_000_000,
    heartbeatEverySeconds: 1_000_000,
  })
  const replica = openReplica({ machine: ticketIssuer, store }, { component, parameters, members: [{ signer }] })
  let issued = 0
  let sequence = 0n

  return {
    /** Has `count` tickets issued by one envelope; the CPU from its proposal to its acknowledgement, in milliseconds. */
    commit(count: number): number {
      sequence += 1n
      const commands = Array.from({ length: count }, () => {
        issued += 1
        const ticketHash = toHex(keccak256(packWords([issued])))
        return encodeTicketCommand({ kind: 'issue', ticketHash, notAfter: 2n ** 64n - 1n })
      })
      const bytes = encodeEnvelope(signEnvelope({ component, submitter: signer, sequence, commands }, key.secretKey))
      const { height, parent, timestampMs } = replica.state()
      const proposal = { height: height + 1n, parent, timestampMs: timestampMs + 1n, batch: [bytes], extensions: [] }

      const before = process.cpuUsage()
      const { state } = replica.executeBlock(proposal)
      const certificate = { round: 0, signers: 1n, signatures: `0x${'00'.repeat(64)}` as const }
      const decision = { commitDigest: state.parent, certificate, proposal, signers: [signer], extensions: [] }
      const [envelope] = replica.decide(decision)
      replica.acknowledge(envelope!.digest)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1_000
    },

    close: () => store.close(),
  }
}
