import type { TicketProof } from '../../chain/ticketVerifier.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { deriveStateRoot, proveStateItem } from '../../protocol/wire/stateTree.ts'
import {
  encodeTicketIssued,
  hashTicket,
  type TICKET_STATUS,
  type Ticket,
  toTicketStatusItem,
} from '../../protocol/wire/ticket.ts'
import type { TestChain } from './createTestChain.ts'
import { createTestComponent, type Step, type TestComponent } from './createTestComponent.ts'
import { digestOf } from './testLog.ts'

/** A component whose log and state are a ticket issuer's (spec §10): leaf i is the issuance of ticket i. */
export type TestIssuer = {
  component: TestComponent
  tickets: readonly Ticket[]
  /** Anchors a head whose log has one leaf more, and whose state says who was revoked so far. */
  anchor(step?: Pick<Step, 'next'>): Promise<void>
  revoke(index: number): void
  /** What shows ticket `index` valid under the newest head; for a revoked one, as near to it as anyone can come. */
  prove(index: number): TicketProof
}

export async function createTestIssuer(
  testChain: TestChain,
  { name, tickets }: { name: string; tickets: readonly Ticket[] },
): Promise<TestIssuer> {
  const hashes = tickets.map(hashTicket)
  // Beyond the issuances the log goes on with heartbeats.
  const leaf = (index: number): Uint8Array =>
    index < hashes.length ? encodeTicketIssued(hashes[index]!) : new TextEncoder().encode(`heartbeat ${index}`)
  const component = await createTestComponent(testChain, { name, leaf })
  const revoked = new Set<number>()
  const statusOf = (index: number): keyof typeof TICKET_STATUS => (revoked.has(index) ? 'revoked' : 'valid')
  const items = () => hashes.map((hash, index) => toTicketStatusItem(hash, statusOf(index)))

  return {
    component,
    tickets,
    revoke: (index) => void revoked.add(index),
    async anchor(step = {}) {
      const leafCount = component.head.logSize === 0n ? hashes.length : 1
      await component.anchor({ ...step, leafCount, commit: { state: deriveStateRoot(items()) } })
    },
    prove(index) {
      const { head, log } = component
      return {
        issuedUnder: head,
        leafIndex: BigInt(index),
        inclusionProof: log.proveInclusion(index, Number(head.logSize)),
        newest: head,
        statusProof: proveStateItem(items(), items()[index]!),
      }
    },
  }
}

/** A ticket for `subject`, valid for an hour around `nowMs` where nothing else is said. */
export function createTicket(nowMs: bigint, changes: Partial<Ticket> & { subject: Hex; audience: Hex }): Ticket {
  const now = nowMs / 1000n
  return {
    ticketId: digestOf(`ticket of ${changes.subject}`),
    notBefore: now - 1_800n,
    notAfter: now + 1_800n,
    salt: digestOf('salt'),
    ...changes,
  }
}
