import type { Transport } from '../../../workers/member/transport.ts'

/** The in-memory twin of the Redis transport: a network of which a test can cut members off. */
export function createMemoryNetwork() {
  const nodes = new Map<number, (frame: Uint8Array) => void>()
  const cut = new Set<number>()
  return {
    cut: (index: number) => cut.add(index),
    heal: (index: number) => cut.delete(index),
    connect(index: number): Transport {
      return {
        async broadcast(frame) {
          if (cut.has(index)) return
          for (const [other, receive] of nodes) {
            if (other !== index && !cut.has(other)) setImmediate(() => nodes.get(other) === receive && receive(frame))
          }
        },
        async listen(receive) {
          nodes.set(index, receive)
        },
        async close() {
          nodes.delete(index)
        },
      }
    },
  }
}
