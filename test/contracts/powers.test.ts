import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { readArtifact } from '../chain/createTestChain.ts'

/** What anybody can change in the registries, and through what: they have no owner, no proxy and no setter. */
const WRITES = { ComponentRegistry: ['anchor', 'register'], TicketVerifier: [], CoalitionRegistry: ['publish'] }

for (const { name, source } of DEPLOYED_CONTRACTS) {
  const { abi, deployedBytecode } = readArtifact(source)

  test(`powers: ${name} takes no ether, and nothing changes it but ${WRITES[name].join(' and ') || 'its creation'}`, () => {
    const writes = abi.flatMap((item) =>
      item.type === 'function' && !['view', 'pure'].includes(item.stateMutability) ? [item] : [],
    )
    assert.deepEqual(writes.map((item) => item.name).sort(), WRITES[name])
    for (const item of abi) {
      assert.ok(item.type !== 'fallback' && item.type !== 'receive')
      if (item.type === 'function' || item.type === 'constructor') assert.notEqual(item.stateMutability, 'payable')
    }
  })

  test(`powers: ${name} runs no code of others in its own name, creates nothing and cannot end`, () => {
    const found = listOpcodes(fromHex(deployedBytecode)).filter((opcode) => FORBIDDEN.has(opcode))
    assert.deepEqual(
      found.map((opcode) => FORBIDDEN.get(opcode)),
      [],
    )
  })
}

const FORBIDDEN: ReadonlyMap<number, string> = new Map([
  [0xf0, 'CREATE'],
  [0xf1, 'CALL'],
  [0xf2, 'CALLCODE'],
  [0xf4, 'DELEGATECALL'],
  [0xf5, 'CREATE2'],
  [0xff, 'SELFDESTRUCT'],
])

/** In order, without the bytes that PUSH1 to PUSH32 push, up to the compiler's own record. */
function listOpcodes(code: Uint8Array): number[] {
  // The last two bytes say how many before them are no code.
  const end = code.length - 2 - new DataView(code.buffer, code.byteOffset).getUint16(code.length - 2)
  const opcodes: number[] = []
  for (let at = 0; at < end; at++) {
    const opcode = code[at]!
    opcodes.push(opcode)
    if (opcode >= 0x60 && opcode <= 0x7f) at += opcode - 0x5f
  }
  return opcodes
}
