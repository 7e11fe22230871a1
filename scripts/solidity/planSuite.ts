import { globSync } from 'node:fs'
import { ROOT } from '../services.ts'
import { nameOf } from './compiler.ts'

export type PlanSuiteParameters = {
  /** The file that was changed. */
  source: string
  withFuzz: boolean
  withGas?: boolean
}

/**
 * The tests that a mutant meets, in groups that each run in a process of its own: what is quick and likely to notice comes
 * first, gas comes after everything that looks at behaviour, so that a mutant is said to die of gas where it does of nothing
 * else, and the Solidity invariants come last, for what is left.
 */
export function planSuite({ source, withFuzz, withGas = true }: PlanSuiteParameters): readonly (readonly string[])[] {
  const groupOf = (group: readonly string[]) => FILES.filter((file) => group.includes(baseOf(file)))
  const gas = groupOf(GAS)
  const fuzz = groupOf(FUZZ)
  const slow = groupOf(SLOW)
  const rest = FILES.filter((file) => ![...gas, ...fuzz, ...slow].includes(file))
  // A source's own test, where it has one, is asked first.
  const own = rest.concat(slow).filter((file) => baseOf(file) === nameOf(source).toLowerCase())
  const others = (group: readonly string[]) => group.filter((file) => !own.includes(file))
  const groups = [own, others(rest), others(slow), withGas ? gas : [], withFuzz ? fuzz : []]
  return groups.filter((group) => group.length > 0)
}

// Listed once, when the copies are made in which they run.
const FILES: readonly string[] = globSync('test/contracts/*.test.ts', { cwd: ROOT }).sort()
const SLOW = ['rfc9162', 'invariants']
const GAS = ['worstcasegas', 'gas']
const FUZZ = ['solidityinvariants']

const baseOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1, -'.test.ts'.length).toLowerCase()
