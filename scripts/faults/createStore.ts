import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import { chronicle } from '../../modules/chronicle/machine.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { encodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import { encodeEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { deriveSignerAddress, signDigest } from '../../protocol/wire/signature.ts'
import { createDriver } from '../../workers/member/driver.ts'
import { openReplica } from '../../workers/member/replica.ts'
import { initStore, openStore } from '../../workers/member/store.ts'
import type { StoreUnderTest } from './damage.ts'

const COMPONENT: Hex = `0x${'c0'.repeat(32)}`
const MEMBER_KEY = new Uint8Array(32).fill(7)
const SUBMITTER_KEY = new Uint8Array(32).fill(9)

/**
 * A committee of one decides `heights` heights. Its files as a SIGKILL would leave them, with everything still in the journal,
 * and as an orderly end does, with everything in the database.
 */
export async function createStores(
  dir: string,
  { heights }: { heights: number },
): Promise<{ killed: StoreUnderTest; closed: StoreUnderTest }> {
  const signer = deriveSignerAddress(MEMBER_KEY)
  const submitter = deriveSignerAddress(SUBMITTER_KEY)
  const members = [{ signer }]
  const live = join(dir, 'live')
  mkdirSync(live, { recursive: true })
  initStore({ dir: live, component: COMPONENT, signer })
  const store = openStore({ dir: live, component: COMPONENT, signer })
  const parameters = encodeChronicleParameters({
    submitters: [submitter],
    anchorEveryCommits: 2,
    anchorEverySeconds: 3_600,
  })
  const replica = openReplica({ machine: chronicle, store }, { component: COMPONENT, parameters, members })
  const driver = createDriver(
    {
      machine: chronicle,
      replica,
      store,
      transport: { broadcast: async () => {}, listen: async () => {}, close: async () => {} },
      logger: pino({ level: 'silent' }),
      clock: { nowMs: Date.now },
      sign: (digest) => signDigest(digest, MEMBER_KEY),
      onFatal: (error) => {
        throw error
      },
    },
    { seat: { component: COMPONENT, self: signer, timeouts: DEFAULT_TIMEOUTS } },
  )
  await driver.start()
  for (let height = 1; height <= heights; height++) {
    const statement = new TextEncoder().encode(`{"height":${height}}`)
    const commands = [encodeChronicleCommand({ kind: 'recordStatement', statement })]
    const envelope = { component: COMPONENT, submitter, sequence: BigInt(height), commands }
    await driver.submit(encodeEnvelope(signEnvelope(envelope, SUBMITTER_KEY)))
  }
  // One more height is begun and not decided: what was signed for it must be remembered, or the store refused.
  store.append([Uint8Array.of(1, 2, 3), toBytes('a record of a height that is not decided')])
  cpSync(live, join(dir, 'killed'), { recursive: true })
  driver.stop()
  store.close()
  const rest = { component: COMPONENT, signer, parameters, members }
  return { killed: { dir: join(dir, 'killed'), ...rest }, closed: { dir: live, ...rest } }
}

const toBytes = (text: string): Uint8Array => new TextEncoder().encode(text)
