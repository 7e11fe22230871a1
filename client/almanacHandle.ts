import { type AlmanacTick, decodeAlmanacTick } from '../protocol/wire/almanacTick.ts'
import {
  type Basis,
  type ComponentHandle,
  type ComponentHandleDeps,
  createComponentHandle,
  type ReadEntriesParameters,
} from './componentHandle.ts'
import { type Correlator, createCorrelator } from './correlate.ts'
import { currentCommittee } from './epochs.ts'
import type { ProvenEntry } from './proveEntries.ts'
import type { Component } from './readComponent.ts'

/** A tick with the proof of its entry. */
export type ProvenTick = ProvenEntry & { tick: AlmanacTick }

/** The clock of a coalition (spec §10). */
export type AlmanacHandle = ComponentHandle & {
  /** The ticks among the entries that are asked for, each proven. @throws as `readEntries`. */
  readTicks(parameters?: ReadEntriesParameters): Promise<{ basis: Basis; ticks: readonly ProvenTick[] }>
  /**
   * Aligns events to the ticks among the entries that are asked for. Only ticks of the current committee count: how many of
   * its members may lie follows from how many there are.
   *
   * @throws as `readEntries`.
   */
  readCorrelator(parameters?: ReadEntriesParameters): Promise<Correlator & { basis: Basis }>
}

export function createAlmanacHandle(deps: ComponentHandleDeps, component: Component): AlmanacHandle {
  const handle = createComponentHandle(deps, component)

  async function readTicks(parameters?: ReadEntriesParameters) {
    const { basis, entries } = await handle.readEntries(parameters)
    const ticks = entries.flatMap((proven) => {
      const tick = decodeAlmanacTick(proven.entry)
      return tick === undefined ? [] : [{ ...proven, tick }]
    })
    return { basis, ticks }
  }

  return {
    ...handle,
    readTicks,
    async readCorrelator(parameters) {
      const { basis, ticks } = await readTicks(parameters)
      const epochs = await handle.readEpochs()
      const before = epochs.committees.at(-2)?.end?.commit.logSize ?? 0n
      const own = ticks.filter(({ index }) => index >= before).map(({ tick }) => tick)
      return { basis, ...createCorrelator({ ticks: own, memberCount: currentCommittee(epochs).members.length }) }
    },
  }
}
