/** The root of a complete subtree: leaves `index × 2^level` up to, not including, `(index + 1) × 2^level`. */
export type TreeNode = {
  /** Height above the leaves, 0–63. */
  level: number
  /** From 0, counted in nodes of this level. */
  index: bigint
}

/**
 * The complete subtrees that a log's right edge is made of, largest first: those over leaves `start` up to `end`.
 *
 * `start` must be a multiple of the smallest power of two that is not below `end − start`, as every subtree of
 * RFC 9162 §2.1.1 has it. One node for a complete range; none for an empty one.
 */
export function coverRange({ start, end }: { start: bigint; end: bigint }): TreeNode[] {
  const nodes: TreeNode[] = []
  let covered = start
  for (let level = bitLength(end - start) - 1; level >= 0; level--) {
    const span = 1n << BigInt(level)
    if (((end - start) & span) === 0n) continue
    nodes.push({ level, index: covered >> BigInt(level) })
    covered += span
  }
  return nodes
}

/** How many bits `value` needs; 0 for 0. */
export const bitLength = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length)

/** How many ones `value` has in binary: the complete subtrees of a log of that size. */
export function countOnes(value: bigint): number {
  let count = 0
  for (const digit of value.toString(2)) if (digit === '1') count++
  return count
}
