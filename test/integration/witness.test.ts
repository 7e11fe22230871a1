import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createEpochs } from '../../client/epochs.ts'
import { readKeystore } from '../../client/keystore.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { readComponent } from '../../client/readComponent.ts'
import { createSubmitter } from '../../client/submit.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { createNoteVerifier } from '../../protocol/log/noteVerifier.ts'
import { encodeVerifierKey } from '../../protocol/log/verifierKey.ts'
import {
  CheckpointSignaturesError,
  CheckpointWitnessesError,
  verifyCheckpoint,
} from '../../protocol/log/verifyCheckpoint.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { signEnvelope } from '../../protocol/wire/envelope.ts'
import {
  type DemoProcess,
  EXAMPLE_CONFIG,
  keystorePath,
  PASSWORD_FILE,
  startMember,
} from '../../scripts/demo/committee.ts'
import { startRedis, stopProcess } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { startTestWitness } from '../workers/member/testWitness.ts'

const WITNESSED_MAX_MS = 60_000
const cleanups: (() => Promise<void>)[] = []
after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})

test('members at work have their log witnessed: one note carries a quorum of them and the cosignature', async (t) => {
  const chronicle = await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })
  const { origin, component } = chronicle
  const members = chronicle.members.map(({ noteKey }) =>
    createNoteVerifier({ name: origin, algorithm: 'ed25519', publicKey: fromHex(noteKey!) }),
  )
  const witness = await startTestWitness({ logs: new Map([[origin, members]]) })
  cleanups.push(witness.close)
  const redis = await startRedis({ isPrivate: true })
  cleanups.push(redis.stop)
  // What the members inherit, beside what each is given.
  process.env.WITNESSES = `${encodeVerifierKey(witness.key)} ${witness.url}/`
  const settings = { redisUrl: redis.url, rpcUrl: '', config: EXAMPLE_CONFIG, dir: createTestDir(), start: {} }
  const running: DemoProcess[] = await Promise.all([0, 1, 2].map((index) => startMember(settings, { index })))
  cleanups.push(async () => void (await Promise.all(running.map(({ child }) => stopProcess(child)))))

  const key = await readKeystore({ path: keystorePath('submitter'), password: readPasswordFile(PASSWORD_FILE) })
  const submitter = await createSubmitter({ redisUrl: redis.url, epochs: createEpochs(chronicle) })
  cleanups.push(submitter.close)
  const verifiers = [...members, createNoteVerifier(witness.key)]
  let size = 0n
  for (const [index, count] of [1, 100, 200].entries()) {
    size += BigInt(count)
    const commands = Array.from({ length: count }, (_, nth) =>
      encodeChronicleCommand({ kind: 'recordStatement', statement: Buffer.from(`{"n":"${index}.${nth}"}`) }),
    )
    const sequence = BigInt(index + 1)
    const envelope = signEnvelope({ component, submitter: key.signer, sequence, commands }, key.secretKey)
    await submitter.submit(envelope, { timeoutMs: 60_000 })
    for (const { url } of running) {
      const policy = { origin, verifiers, signaturesMin: 3, witnessesMin: 1 }
      const deadline = Date.now() + WITNESSED_MAX_MS
      for (let seen = -1n; seen !== size; ) {
        assert.ok(Date.now() < deadline, `${url} has ${seen} entries witnessed`)
        await new Promise((resolve) => setTimeout(resolve, 50))
        try {
          seen = verifyCheckpoint({ note: await createLogReader({ url }).readCheckpoint(), ...policy }).size
        } catch (error) {
          if (!(error instanceof CheckpointSignaturesError || error instanceof CheckpointWitnessesError)) throw error
        }
      }
      const witnessed = await createLogReader({ url: `${url}/witnessed` }).readCheckpoint()
      assert.deepEqual(verifyCheckpoint({ note: witnessed, ...policy }).size, size)
    }
  }
  assert.deepEqual(witness.cosigned.get(origin)?.size, size)
  const counts = new Map(witness.answers.map((status) => [status, 0]))
  for (const status of witness.answers) counts.set(status, counts.get(status)! + 1)
  t.diagnostic(`the witness answered ${[...counts].map(([status, count]) => `${count} times ${status}`).join(', ')}`)
  // Members that ask at the same time meet conflicts, and nothing else.
  assert.deepEqual(
    [...counts.keys()].filter((status) => status !== 200 && status !== 409),
    [],
  )
})
