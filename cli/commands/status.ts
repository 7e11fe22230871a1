import { Command } from 'commander'
import { ComponentUnknownError, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { connectChain } from '../../chain/connectChain.ts'
import type { Head } from '../../chain/head.ts'
import { createLogReader } from '../../client/logReader.ts'
import { type ComponentKind, readComponent } from '../../client/readComponent.ts'
import { type Anchor, type Survey, type SurveyedMember, surveyCommittee } from '../../client/surveyCommittee.ts'
import { countOf } from '../../protocol/errors.ts'
import { ComponentRetiredError, describeSuccessor } from '../../protocol/wire/next.ts'
import { componentOption } from '../arguments.ts'
import { print, toJsonText } from '../output.ts'

type StatusOptions = { component: ComponentKind; member: string[]; rpc: string; json?: boolean }

/** A member answers at once or is as good as silent. */
const READ_TIMEOUT_MS = 5_000

export const statusCommand = (): Command =>
  new Command('status')
    .description('say how a component’s committee does: height, who is behind or silent, the last anchor and its lag')
    .argument('<config>', 'coalition.json that names the component')
    .addOption(componentOption())
    .requiredOption('--member <url...>', 'log of a member; give every member’s')
    .requiredOption('--rpc <url>', 'JSON-RPC endpoint of the home chain')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Heights, checkpoints and the anchor are verified here; the rest (drops, peers, what waits) is each member's word.
The committee is the newest that the members' logs lead to from the one that the config names, each rotation certified by
the committee before it. A member of it that no --member answers for counts as silent.
It exits 1 where there is no quorum, an alarm or a retired component.
Example:
  coalition status coalition.json --member http://127.0.0.1:4100 http://127.0.0.1:4101 --rpc http://127.0.0.1:8545`,
    )
    .action(showStatus)

async function showStatus(config: string, { component: kind, member, rpc, json }: StatusOptions): Promise<void> {
  const { component, members, origin, home } = await readComponent(config, { kind })
  const logs = member.map((url) => createLogReader({ url, timeoutMs: READ_TIMEOUT_MS }))
  const chain = await connectChain({ rpcUrl: rpc, chainId: home.chainId })
  const registry = await openComponentRegistry(chain, { address: home.registry })
  const head = await registry.readHead({ component }).catch((error: unknown): Head | undefined => {
    if (error instanceof ComponentUnknownError) return undefined
    throw error
  })
  const survey = await surveyCommittee({ logs }, { component, members, origin, head })
  print(survey, { json, text: describeSurvey })
  if (survey.margin < 0 || survey.alarms.length > 0) process.exitCode = 1
  if (survey.retirement !== null) throw new ComponentRetiredError(survey.retirement)
}

export const describeSurvey = (survey: Survey): string =>
  [
    `component ${survey.component}`,
    survey.height === null
      ? 'height    unknown: nobody gives a usable answer'
      : `height    ${survey.height} in epoch ${survey.epoch}, commit ${survey.commitDigest}`,
    ...(survey.retirement === null
      ? []
      : [
          `retired   its successor: ${describeSuccessor(survey.retirement.successor)}; reason: ${toJsonText(survey.retirement.reason)}`,
        ]),
    `quorum    ${survey.quorum} of ${survey.members.length}; ${survey.retirement === null ? `${survey.responsive} vote, margin ${survey.margin}` : 'nobody votes any more'}`,
    `anchored  ${survey.anchor === null ? 'nothing: nobody registered this component' : describeAnchor(survey.anchor)}`,
    ...survey.members.map(describeMember),
    ...survey.unusable.map(({ url, reason }) => `unusable  ${url}: ${reason}`),
    ...survey.alarms.map((alarm) => `ALARM     ${alarm}`),
  ].join('\n')

const describeAnchor = ({ height, logSize, anchoredAt, retired, lagCommits, lagSeconds }: Anchor): string =>
  `height ${height}, ${countOf(logSize, 'entry')}, at ${new Date(Number(anchoredAt) * 1000).toISOString()}` +
  `; lag ${lagCommits === null ? 'unknown' : `${countOf(lagCommits, 'commit')}, ${lagSeconds} s`}${retired ? '; retired' : ''}`

function describeMember({ signer, standing, url, height, behindBy, reason, status }: SurveyedMember): string {
  const words = [`member    ${signer} ${standing}`]
  if (url !== null) words.push(`at ${url}`)
  if (height !== null) words.push(`height ${height}`)
  if (behindBy !== null && behindBy > 0n) words.push(`behind by ${behindBy}`)
  if (reason !== null) words.push(reason)
  if (status !== null) {
    const drops = Object.entries(status.drops).filter(([, count]) => count > 0)
    if (drops.length > 0) words.push(`dropped ${drops.map(([name, count]) => `${name} ${count}`).join(' ')}`)
    if (status.pool.envelopes > 0) words.push(`${countOf(status.pool.envelopes, 'envelope')} to be proposed`)
    if (status.evidence > 0) words.push(`holds ${countOf(status.evidence, 'contradiction')} of members`)
    if (status.queueRestarts > 0) words.push(`queue opened anew ${countOf(status.queueRestarts, 'time')}`)
  }
  return words.join(', ')
}
