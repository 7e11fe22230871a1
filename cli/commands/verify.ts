import { Command } from 'commander'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { connectChain } from '../../chain/connectChain.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { type ComponentKind, readComponent } from '../../client/readComponent.ts'
import { verifyEntry } from '../../client/verifyEntry.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError, countOf } from '../../protocol/errors.ts'
import { describeSuccessor } from '../../protocol/wire/next.ts'
import { decodeOperatorStatement } from '../../protocol/wire/operatorStatement.ts'
import { componentOption, toIndex } from '../arguments.ts'
import { describeEntry, type PrintedEntry, toPrintedEntry } from '../entryText.ts'
import { print, say, toJsonText } from '../output.ts'

type VerifyOptions = { log: string; rpc: string; config?: string; component: ComponentKind; json?: boolean }

export type Verified = {
  verified: true
  index: string
  component: Hex
  componentPinnedBy: 'config' | 'log'
  registry: Hex
  chainId: number
  head: { epoch: string; height: string; logSize: string; logRoot: Hex; anchorIndex: string; anchoredAt: string }
  certificate: { round: number; signers: string; commitDigest: Hex }
  /** The component's last word, where nothing of it anchors any more; what it logged stays true. */
  retirement: { successor: Hex; reason: string } | null
  entry: Hex
  statement: { submitter: Hex; sequence: string; index: number; text: string } | null
  /** What the entry says, where it is one of a Chronicle's. */
  decoded: PrintedEntry | null
}

export const verifyCommand = (): Command =>
  new Command('verify')
    .description('prove that an entry stands in an anchored log, from the log’s bytes and the chain alone')
    .argument('<index>', 'place of the entry in the log, from 0', toIndex)
    .requiredOption('--log <url>', 'log of any member, or a copy of it')
    .requiredOption('--rpc <url>', 'JSON-RPC endpoint of the home chain')
    .option('--config <file>', 'coalition.json that pins the component, its registry and its chain')
    .addOption(componentOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Without --config the log itself says which component it is of: then what is proven is that the entry stands in that
component's anchored log, and whether it is the component you mean is yours to compare.
Example:
  coalition verify 0 --log http://127.0.0.1:4100 --rpc http://127.0.0.1:8545 --config coalition.json`,
    )
    .action(verify)

async function verify(index: bigint, options: VerifyOptions): Promise<void> {
  const { log: logUrl, rpc, config, component: kind, json } = options
  const pinned = config === undefined ? undefined : await readComponent(config, { kind })
  const log = createLogReader({ url: logUrl, of: pinned })
  // The chain would say of a config's mistake only that nobody registered the component.
  if (pinned !== undefined) await log.assertOwner()
  const chain = await connectChain({ rpcUrl: rpc, chainId: pinned?.home.chainId })
  const component = pinned?.component ?? (await readClaimedComponent(log))
  const registry = pinned?.home.registry ?? COMPONENT_REGISTRY_ADDRESS
  if (pinned === undefined) say(`the log says it is of component ${component}; give --config to pin it`)
  const { entry, head, commit, retirement } = await verifyEntry({ chain, log }, { index, component, registry })
  const statement = decodeOperatorStatement(entry)
  const result: Verified = {
    verified: true,
    index: index.toString(),
    component,
    componentPinnedBy: pinned === undefined ? 'log' : 'config',
    registry,
    chainId: chain.chainId,
    head: {
      epoch: head.epoch.toString(),
      height: head.height.toString(),
      logSize: head.logSize.toString(),
      logRoot: head.logRoot,
      anchorIndex: head.anchorIndex.toString(),
      anchoredAt: head.anchoredAt.toString(),
    },
    certificate: {
      round: commit.certificate.round,
      signers: `0x${commit.certificate.signers.toString(16)}`,
      commitDigest: commit.digest,
    },
    retirement: retirement && { successor: retirement.successor, reason: retirement.reason },
    entry: `0x${Buffer.from(entry).toString('hex')}`,
    statement:
      statement === undefined
        ? null
        : {
            submitter: statement.submitter,
            sequence: statement.sequence.toString(),
            index: statement.index,
            text: new TextDecoder().decode(statement.statement),
          },
    decoded: toPrintedEntry(entry),
  }
  print(result, { json, text: describeVerified })
}

/** A submitter chose the statement's text: it is printed as one JSON string, so that it cannot look like a line of ours. */
export const describeVerified = ({
  index,
  component,
  head,
  certificate,
  retirement,
  decoded,
  chainId,
  registry,
}: Verified): string =>
  [
    `verified  entry ${index} of component ${component}`,
    `anchored  in epoch ${head.epoch} at height ${head.height}, ${countOf(BigInt(head.logSize), 'entry')}, root ${head.logRoot}`,
    `on chain  ${chainId}, registry ${registry}, its anchor number ${head.anchorIndex}`,
    `certified by a quorum in round ${certificate.round} (signers, a bit a member: ${certificate.signers})`,
    ...(retirement === null
      ? []
      : [
          `retired   its successor: ${describeSuccessor(retirement.successor)}; reason: ${toJsonText(retirement.reason)}`,
        ]),
    ...(decoded === null ? [] : [describeEntry(decoded)]),
  ].join('\n')

/** A claim of the log's, and named as one. */
async function readClaimedComponent(log: LogReader): Promise<Hex> {
  const claimed = await log.readOwner()
  if (claimed === undefined) throw new NoOriginError({ url: log.url })
  return claimed
}

export class NoOriginError extends CoalitionError {
  constructor({ url }: { url: string }) {
    super('NO_ORIGIN', `The checkpoint at ${url} does not name a component.`, {
      fix: 'Give the URL of a member’s log, or --config to say which component you mean.',
    })
  }
}
