import { createTestChain } from '../test/chain/createTestChain.ts'
import { digestOf } from '../test/chain/testLog.ts'
import { measureAnchor, measureCertificate } from '../test/contracts/gasScenario.ts'
import type { Figure } from './measure.ts'

const MEMBER_COUNTS = [4, 7, 16, 31]
/** Leaves before the anchor: a proof of 9 nodes, and one of 13. */
const LOG_SIZE = 700_160
const LOG_SIZE_13_NODES = 1_048_320

/** Gas of the registry's calls as whole transactions, from receipts, each beside the least that it could cost. */
export async function benchGas(): Promise<Figure[]> {
  const world = await createTestChain()
  const figures: Figure[] = []
  const add = (name: string, gas: bigint): void => void figures.push({ name, value: Number(gas), unit: 'gas' })
  for (const memberCount of MEMBER_COUNTS) {
    const plain = await measureAnchor(world, { memberCount, logSize: LOG_SIZE })
    add(`anchor n=${memberCount}`, plain.gasUsed)
    add(`anchor n=${memberCount} floor`, plain.floorGas)
    const long = await measureAnchor(world, { memberCount, logSize: LOG_SIZE_13_NODES })
    add(`anchor n=${memberCount}, 13 nodes`, long.gasUsed)
    add(`anchor n=${memberCount}, 13 nodes floor`, long.floorGas)
    const next = { kind: 'rotation', newCommitteeHash: digestOf(`next of ${memberCount}`) } as const
    const rotation = await measureAnchor(world, { memberCount, logSize: LOG_SIZE, next })
    add(`rotation n=${memberCount}`, rotation.gasUsed)
    const certificate = await measureCertificate(world, { memberCount })
    add(`certificate n=${memberCount}`, certificate.gasUsed)
    add(`certificate n=${memberCount} formula`, certificate.formulaGas)
  }
  return figures
}
