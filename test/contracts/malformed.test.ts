import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { encodeAnchor } from '../../chain/encodeAnchor.ts'
import { componentRegistryAbi as abi } from '../../chain/generated/componentRegistry.ts'
import { callRegistry, RegistryRefusedError } from '../../chain/registryRefusal.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { createRandom } from '../chain/random.ts'
import { digestOf } from '../chain/testLog.ts'
import { assertRefused } from './refusals.ts'

let world: TestChain
let component: TestComponent
/** An anchor that would go through, and its whole call. */
let packed: Hex
let data: Hex
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'malformed' })
  await component.anchor({ leafCount: 5 })
  packed = encodeAnchor(await component.prepare())
  data = toCall(packed)
})

const toCall = (bytes: Hex): Hex => encodeFunctionData({ abi, functionName: 'anchor', args: [bytes] })
const call = (calldata: Hex): Promise<unknown> =>
  callRegistry(world.chain, () =>
    world.chain.client.call({ account: world.sender.address, to: COMPONENT_REGISTRY_ADDRESS, data: calldata }),
  )
/** `hex` with the byte at `offset` set. */
const withByte = (hex: Hex, offset: number, byte: number): Hex =>
  `${hex.slice(0, 2 + 2 * offset)}${byte.toString(16).padStart(2, '0')}${hex.slice(4 + 2 * offset)}` as Hex
const byteAt = (hex: Hex, offset: number): number => Number.parseInt(hex.slice(2 + 2 * offset, 4 + 2 * offset), 16)

test('the call that all the others damage goes through', async () => {
  await call(data)
})

test('AnchorCallMalformed: bytes missing at the end, to the last of them', async () => {
  for (const size of [
    0,
    1,
    31,
    32,
    271,
    303,
    304,
    305,
    400,
    (packed.length - 2) / 2 - 32,
    (packed.length - 2) / 2 - 1,
  ]) {
    await assertRefused(() => call(toCall(packed.slice(0, 2 + 2 * size) as Hex)), 'AnchorCallMalformed')
  }
})

test('AnchorCallMalformed: bytes too many, inside the argument and after it', async () => {
  for (const extra of ['00', '01', '00'.repeat(32), 'ff'.repeat(64)]) {
    await assertRefused(() => call(toCall(`${packed}${extra}`)), 'AnchorCallMalformed')
  }
  await assertRefused(() => call(`${data}00`), 'AnchorCallMalformed')
  await assertRefused(() => call(`${data}${'00'.repeat(32)}`), 'AnchorCallMalformed')
})

test('AnchorCallMalformed: dirty padding, and padding left out', async () => {
  assert.notEqual(((packed.length - 2) / 2) % 32, 0, 'the argument must end inside a word')
  await assertRefused(() => call(withByte(data, (data.length - 2) / 2 - 1, 1)), 'AnchorCallMalformed')
  await assertRefused(() => call(data.slice(0, -2) as Hex), 'AnchorCallMalformed')
})

test('AnchorCallMalformed: the argument elsewhere than the canonical encoding puts it', async () => {
  const shifted = `${data.slice(0, 10)}${(64).toString(16).padStart(64, '0')}${'00'.repeat(32)}${data.slice(74)}` as Hex
  await assertRefused(() => call(shifted), 'AnchorCallMalformed')
})

test('AnchorCallMalformed: counts that do not add up', async () => {
  const [members, signatures, nodes, kind] = [268, 269, 270, 271]
  for (const [offset, byte] of [
    [members, 255],
    [members, 0],
    [signatures, 255],
    [signatures, 3],
    [nodes, 0],
    [nodes, 255],
    [kind, 1],
    [kind, 2],
    [kind, 3],
    [kind, 255],
  ] as const) {
    await assertRefused(() => call(toCall(withByte(packed, offset, byte))), 'AnchorCallMalformed')
  }
})

test('AnchorCallMalformed: from an empty log, no root or two', async () => {
  const fresh = await createTestComponent(world, { name: 'fresh' })
  const honest = encodeAnchor(await fresh.prepare())
  await call(toCall(honest))
  const none = withByte(honest, 270, 0).slice(0, -64) as Hex
  const two = `${withByte(honest, 270, 2)}${digestOf('another').slice(2)}` as Hex
  await assertRefused(() => call(toCall(none)), 'AnchorCallMalformed')
  await assertRefused(() => call(toCall(two)), 'AnchorCallMalformed')
})

test('AnchorCallMalformed: a rotation of no word, half a word or two; a reason of 257 bytes', async () => {
  const rotation = encodeAnchor(
    await component.prepare({ next: { kind: 'rotation', newCommitteeHash: digestOf('next') } }),
  )
  await call(toCall(rotation))
  await assertRefused(() => call(toCall(rotation.slice(0, -64) as Hex)), 'AnchorCallMalformed')
  await assertRefused(() => call(toCall(rotation.slice(0, -32) as Hex)), 'AnchorCallMalformed')
  await assertRefused(() => call(toCall(`${rotation}${'00'.repeat(32)}`)), 'AnchorCallMalformed')
  const reason = 'r'.repeat(256)
  const next = { kind: 'retirement', successor: digestOf('successor'), reason } as const
  const retirement = encodeAnchor(await component.prepare({ next }))
  await call(toCall(retirement))
  await assertRefused(() => call(toCall(`${retirement}72`)), 'AnchorCallMalformed')
  await assertRefused(() => call(toCall(retirement.slice(0, -2 - 2 * 256) as Hex)), 'AnchorCallMalformed')
})

test('CertificatesSignersMismatch: a bit set among those that fill the last byte of the bitmap', async () => {
  const dirty = withByte(packed, 304, byteAt(packed, 304) | 0x10)
  await assertRefused(() => call(toCall(dirty)), 'CertificatesSignersMismatch')
})

test('numbers near 2^64 are refused by name', async () => {
  const full = 'ff'.repeat(8)
  const withNumber = (offset: number): Hex =>
    `${packed.slice(0, 2 + 2 * offset)}${full}${packed.slice(2 + 2 * (offset + 8))}` as Hex
  for (const offset of [128, 136, 144, 152, 160, 168]) {
    await assertRefused(() => call(toCall(withNumber(offset))), 'ComponentRegistryNotNewest')
  }
  await assertRefused(() => call(toCall(withNumber(240))), 'CertificatesOtherCommittee')
  await assertRefused(() => call(toCall(withNumber(248))), 'Rfc9162ProofLengthWrong')
  await assertRefused(() => call(toCall(withNumber(256))), 'ComponentRegistryTimestampAhead')
})

test('any one byte changed is refused by a name, and never by a panic', async () => {
  const random = createRandom()
  for (let run = 0; run < 300; run++) {
    const offset = random.below((packed.length - 2) / 2)
    const byte = byteAt(packed, offset) ^ (1 + random.below(255))
    const changed = toCall(withByte(packed, offset, byte))
    const context = `byte ${offset} to ${byte}, replay with SEED=${random.seed}`
    await assert.rejects(
      () => call(changed),
      (error) => {
        assert.ok(
          error instanceof RegistryRefusedError && error.errorName !== undefined,
          `${context}: ${String(error)}`,
        )
        return true
      },
    )
  }
})
