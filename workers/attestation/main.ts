import { readFile } from 'node:fs/promises'
import { createCollateralCache } from '../../client/collateral/collateralCache.ts'
import { createCollateralFiles } from '../../client/collateral/collateralFiles.ts'
import { createPcsClient } from '../../client/collateral/pcsClient.ts'
import { readKeystore } from '../../client/keystore.ts'
import { readComponent, requireAdmissionRules } from '../../client/readComponent.ts'
import { UnreadableInputError } from '../../client/unreadableInput.ts'
import { type AttestationPolicy, decodePolicy, PolicyInvalidError } from '../../protocol/attestation/policy.ts'
import type { AdmissionRule } from '../../protocol/tickets/admissionRules.ts'
import { InvalidSettingError, readAttestationSettings, readPassword } from '../runtime/config.ts'
import { createLogger } from '../runtime/logger.ts'
import { connectRedis } from '../runtime/redis.ts'
import { runWorker } from '../runtime/runWorker.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { derivePolicyDigest } from './policyDigest.ts'
import { createAttestationProcessor } from './processor.ts'
import { startAttestationWorker } from './worker.ts'

async function run(): Promise<void> {
  const settings = readAttestationSettings()
  const spelledOut = await readComponent(settings.COALITION_CONFIG, { kind: settings.COMPONENT })
  const { component } = spelledOut
  const key = await readKeystore({ path: settings.KEYSTORE, password: readPassword(settings) })
  const policy = choosePolicy(
    requireAdmissionRules(spelledOut),
    settings.POLICY === undefined ? undefined : await readPolicy(settings.POLICY),
  )
  const logger = createLogger({ name: 'attestation', level: settings.LOG_LEVEL })
  const shutdown = createShutdown({ logger })
  const redis = await connectRedis({ url: settings.REDIS_URL, logger })
  shutdown.defer('redis', () => redis.disconnect())

  const clock = { nowMs: Date.now }
  const collaterals = createCollateralCache({
    source: createPcsClient({}, { url: settings.PCCS_URL }),
    files: createCollateralFiles({ dir: settings.COLLATERAL_DIR }),
    clock,
    onRefreshFailed: (platform, error) => logger.warn({ platform, err: error }, 'collateral could not be refreshed'),
  })
  const process_ = createAttestationProcessor({ collaterals, clock, secretKey: key.secretKey }, { component, policy })
  const worker = startAttestationWorker({ redis, process: process_, logger }, { component, signer: key.signer })
  shutdown.defer('worker', () => worker.close())
  logger.info({ component, signer: key.signer }, 'attestation worker runs')
  // One line of data for whoever started the process.
  process.stdout.write(`${JSON.stringify({ component, signer: key.signer })}\n`)
}

/** The config's rule, where it has one: members of one committee judge by one policy. @throws {InvalidSettingError} POLICY is another. */
function choosePolicy(rules: readonly AdmissionRule[], given: AttestationPolicy | undefined): AttestationPolicy {
  const tdx = rules.find((rule) => rule.class === 'tdx')
  if (tdx === undefined) return given ?? {}
  if (given !== undefined && derivePolicyDigest(given) !== derivePolicyDigest(tdx.policy)) {
    throw new InvalidSettingError({ setting: 'POLICY', reason: 'it is not the policy of the rule that the config has' })
  }
  return tdx.policy
}

async function readPolicy(path: string): Promise<AttestationPolicy> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new UnreadableInputError({ path, cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new PolicyInvalidError('The policy is not JSON')
  }
  return decodePolicy(value)
}

await runWorker({ run }, { name: 'attestation' })
