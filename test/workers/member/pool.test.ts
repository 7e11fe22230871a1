import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGenesis, execute } from '../../../committee/execution.ts'
import { chronicle as machine } from '../../../modules/chronicle/machine.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { encodeEnvelope, type SignedEnvelope, signEnvelope, verifyEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../../protocol/wire/governance.ts'
import { createPool } from '../../../workers/member/pool.ts'
import { component, createEnvelope, members, parameters, signers } from './chronicle-of-tests.ts'

const seatsOf = (count: number) => signers.slice(0, count).map((signer) => ({ signer }))
const genesis = createGenesis(machine, {
  component,
  parameters: encodeChronicleParameters(parameters),
  members: seatsOf(4),
})
const verify = (envelope: SignedEnvelope) => verifyEnvelope(encodeEnvelope(envelope), { component })
const rotation: GovernanceCommand = { kind: 'approveRotation', newEpoch: 1n, members: seatsOf(3) }
const approvals = members.map(({ signer, secretKey }) =>
  verify(
    signEnvelope(
      { component, submitter: signer, sequence: 1n, commands: [encodeGovernanceCommand(rotation)] },
      secretKey,
    ),
  ),
)

test('pool: an approval that its epoch ended without is no work for the next', () => {
  const pool = createPool(machine)
  for (const approval of approvals) pool.add(approval, genesis)
  const envelopes = pool.take(genesis)
  assert.equal(envelopes.length, 3)
  const { state } = execute(machine, { state: genesis, batch: { envelopes, timestampMs: 1n, extensions: [] } })
  assert.equal(state.epoch, 1n)
  pool.prune(state)
  assert.equal(pool.hasWork(state), false)
  assert.deepEqual(pool.size(), { envelopes: 0, bytes: 0 })
})

test('pool: what is not an approval waits through a rotation', () => {
  const pool = createPool(machine)
  for (const approval of approvals.slice(0, 3)) pool.add(approval, genesis)
  const envelopes = pool.take(genesis)
  pool.add(verify(createEnvelope(2n, ['{}'])), genesis)
  pool.add(verify(createEnvelope(1n, ['{}'])), genesis)
  const { state } = execute(machine, { state: genesis, batch: { envelopes, timestampMs: 1n, extensions: [] } })
  pool.prune(state)
  assert.equal(pool.take(state).length, 2)
})
