import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Command, Machine } from '../../protocol/machine.ts'
import { deriveStateRoot } from '../../protocol/wire/stateTree.ts'

export type HarnessParameters<State> = {
  name: string
  machine: Machine<State>
  parameters: Uint8Array
  /** Commands that apply one after the other. */
  commands: readonly Command[]
  /** Commands that the state after `commands` must refuse. */
  refused: readonly Command[]
}

/** What every state machine must show (spec §4): run it once for each machine. */
export function testMachine<State>(options: HarnessParameters<State>): void {
  const { name, machine, parameters, commands, refused } = options

  function runFrom(state: State, some: readonly Command[], firstHeight = 1n) {
    const events: string[] = []
    let logSize = 0n
    some.forEach((command, index) => {
      const context = { height: firstHeight + BigInt(index), timestampMs: 1_000n * (firstHeight + BigInt(index)) }
      machine.validate(state, command)
      const applied = machine.apply(state, command, context)
      events.push(...applied.events.map(String))
      logSize += BigInt(applied.events.length)
      const finished = machine.finish(applied.state, { ...context, logSize, observations: new Map() })
      events.push(String(finished.anchor))
      state = finished.state
    })
    return { state, events }
  }

  test(`${name}: two machines given the same commands give the same bytes`, () => {
    const one = runFrom(machine.genesis(parameters), commands)
    const two = runFrom(machine.genesis(parameters), commands)
    assert.deepEqual(one.events, two.events)
    assert.equal(String(machine.snapshot(one.state)), String(machine.snapshot(two.state)))
    assert.equal(deriveStateRoot(machine.items(one.state)), deriveStateRoot(machine.items(two.state)))
  })

  test(`${name}: a snapshot taken anywhere restores to the same future`, () => {
    for (let cut = 0; cut <= commands.length; cut++) {
      const { state } = runFrom(machine.genesis(parameters), commands.slice(0, cut))
      const restored = machine.restore(machine.snapshot(state))
      assert.deepEqual(restored, state)
      const rest = commands.slice(cut)
      const next = BigInt(cut) + 1n
      assert.deepEqual(runFrom(restored, rest, next), runFrom(state, rest, next))
    }
  })

  test(`${name}: whatever a snapshot restores, the state root covers`, () => {
    const roots = new Map<string, string>()
    for (let cut = 0; cut <= commands.length; cut++) {
      const { state } = runFrom(machine.genesis(parameters), commands.slice(0, cut))
      roots.set(String(machine.snapshot(state)), deriveStateRoot(machine.items(state)))
    }
    assert.equal(new Set(roots.values()).size, roots.size)
  })

  test(`${name}: restore refuses every truncation and every longer snapshot`, () => {
    const snapshot = machine.snapshot(runFrom(machine.genesis(parameters), commands).state)
    for (let size = 0; size < snapshot.length; size++) {
      assert.throws(() => machine.restore(snapshot.subarray(0, size)), CoalitionError)
    }
    assert.throws(() => machine.restore(new Uint8Array([...snapshot, 0])), CoalitionError)
  })

  test(`${name}: refuses invalid commands by a typed error and without a change`, () => {
    const { state } = runFrom(machine.genesis(parameters), commands)
    const before = String(machine.snapshot(state))
    for (const command of refused) assert.throws(() => machine.validate(state, command), CoalitionError)
    assert.equal(String(machine.snapshot(state)), before)
  })

  test(`${name}: applying a command leaves the state it was given as it was`, () => {
    let state = machine.genesis(parameters)
    for (const command of commands) {
      const before = String(machine.snapshot(state))
      const applied = machine.apply(state, command, { height: 1n, timestampMs: 1n })
      assert.equal(String(machine.snapshot(state)), before)
      state = applied.state
    }
  })
}
