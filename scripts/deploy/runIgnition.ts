import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { HardhatError } from '@nomicfoundation/hardhat-errors'
import { status, wipe } from '@nomicfoundation/ignition-core'
import type { HardhatRuntimeEnvironment } from 'hardhat/types/hre'
import { DEPLOYED_CONTRACTS, type DeployedContract } from '../../chain/addresses.ts'
import type { Chain } from '../../chain/connectChain.ts'
import { DeploymentFailedError, hasCode } from '../../chain/deployRegistry.ts'
import type { NetworkName } from '../../chain/networks.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { createRegistriesModule, toFutureIds } from './createRegistriesModule.ts'

export class DeploymentStoppedError extends CoalitionError {
  constructor({ network, cause }: { network: NetworkName; cause: unknown }) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super('DEPLOYMENT_STOPPED', `The deployment to ${network} stopped: ${reason.replace(/\s+/g, ' ')}`, {
      fix: 'See to what the message names and run the deployment again: it looks what is there and goes on.',
      kind: 'refused',
      isRetryable: true,
      cause,
    })
  }
}

/**
 * Deploys the registries by Hardhat Ignition, which keeps its journal in `deployments/NETWORK` under the folder that
 * `hre.config.paths.ignition` names. The proxy must be there.
 *
 * @returns The names of those that it created.
 * @throws {DeploymentStoppedError} Ignition, or the node, refused to go on.
 * @throws {DeploymentFailedError} it went through and a contract has no code.
 */
export async function runIgnition(
  { hre, chain }: { hre: HardhatRuntimeEnvironment; chain: Chain },
  { network }: { network: NetworkName },
): Promise<ReadonlySet<DeployedContract['name']>> {
  const folder = join(hre.config.paths.ignition, 'deployments', network)
  const connection = await hre.network.create({ network })
  const absentAtFirst = await readAbsent(chain)

  try {
    // Each round more than the first forgets the creation of a contract at least.
    for (let roundsLeft = DEPLOYED_CONTRACTS.length; ; roundsLeft--) {
      const absent = await readAbsent(chain)
      const begun = await tidyJournal(folder, absent)
      try {
        const module = createRegistriesModule(new Set([...absent, ...begun]))
        await connection.ignition.deploy(module, { deploymentId: network })
        break
      } catch (error) {
        const pointless = await findPointless(folder, { error, absent: await readAbsent(chain) })
        if (roundsLeft === 0 || pointless.length === 0) throw error
        for (const creation of pointless) await forget(folder, creation)
      }
    }
  } catch (cause) {
    if (cause instanceof CoalitionError) throw cause
    throw new DeploymentStoppedError({ network, cause })
  } finally {
    await connection.close()
  }

  const [missing] = await readAbsent(chain)
  if (missing !== undefined) throw new DeploymentFailedError({ what: `The ${missing}` })
  const { successful } = await status(folder)
  return new Set([...absentAtFirst].filter((name) => successful.includes(toFutureIds(name).creation)))
}

/** Creations that the journal holds and that cannot be gone on with, by what stopped Ignition. */
async function findPointless(
  folder: string,
  { error, absent }: { error: unknown; absent: ReadonlySet<DeployedContract['name']> },
): Promise<string[]> {
  const { EXECUTION, INTERNAL } = HardhatError.ERRORS.IGNITION
  // Killed while it sent: nobody knows the hash. What the CREATE2 address holds says whether it went through, and while it
  // still waits, Ignition refuses to send more from the account.
  if (HardhatError.isHardhatError(error, EXECUTION.TRANSACTION_LOST)) return [String(error.messageArguments.futureId)]
  if (!HardhatError.isHardhatError(error, INTERNAL.DEPLOYMENT_ERROR)) return []
  // Somebody else created it meanwhile, so that the proxy refuses to.
  const { started, failed } = await status(folder)
  const unfinished = [...started, ...failed.map(({ futureId }) => futureId)]
  const there = DEPLOYED_CONTRACTS.filter(({ name }) => !absent.has(name))
  return there.map(({ name }) => toFutureIds(name).creation).filter((creation) => unfinished.includes(creation))
}

async function readAbsent(chain: Chain): Promise<Set<DeployedContract['name']>> {
  const absent = new Set<DeployedContract['name']>()
  for (const { name, address } of DEPLOYED_CONTRACTS) if (!(await hasCode(chain, address))) absent.add(name)
  return absent
}

/**
 * Makes the journal agree with the chain: what it says is there and is not (a reorg, a new local chain) is forgotten, and so
 * is what it gave up (it reverted, or no block took it), which Ignition would not try again.
 *
 * @returns The contracts whose creation is under way by the journal: Ignition goes on with their transactions.
 */
async function tidyJournal(
  folder: string,
  absent: ReadonlySet<DeployedContract['name']>,
): Promise<Set<DeployedContract['name']>> {
  const begun = new Set<DeployedContract['name']>()
  if (!existsSync(join(folder, 'journal.jsonl'))) return begun
  const { started, successful, failed, timedOut } = await status(folder)
  const givenUp = [...failed, ...timedOut].map(({ futureId }) => futureId)
  for (const { name } of DEPLOYED_CONTRACTS) {
    const { contract, creation } = toFutureIds(name)
    if (absent.has(name) && successful.includes(contract)) await forget(folder, contract)
    if (givenUp.includes(creation) || (absent.has(name) && successful.includes(creation)))
      await forget(folder, creation)
    if (started.includes(creation)) begun.add(name)
  }
  return begun
}

/** The resolver of artifacts is asked for none: only a deployment without a folder would need one. */
const forget = (folder: string, futureId: string): Promise<void> =>
  wipe(folder, {} as Parameters<typeof wipe>[1], futureId)
