import { Command, InvalidArgumentError } from 'commander'
import { createEpochs, currentCommittee } from '../../client/epochs.ts'
import { followEpochs } from '../../client/followEpochs.ts'
import { createLogReader } from '../../client/logReader.ts'
import { type ComponentKind, readComponent } from '../../client/readComponent.ts'
import { type Hex, isHex } from '../../protocol/bytes.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { type Member, quorumOf } from '../../protocol/wire/committee.ts'
import { describeSuccessor } from '../../protocol/wire/next.ts'
import { type ApprovalOptions, addApprovalOptions, runApproval } from '../approval.ts'
import { componentOption } from '../arguments.ts'
import { readMembers } from '../members.ts'
import { print, toJsonText } from '../output.ts'

export const committeeCommand = (): Command =>
  new Command('committee')
    .description('see and change who decides for a component')
    .addCommand(showCommand())
    .addCommand(rotateCommand())
    .addCommand(retireCommand())

const rotateCommand = (): Command =>
  addApprovalOptions(
    new Command('rotate')
      .description(
        'approve that another committee takes over; a quorum of the current members has to approve the very same',
      )
      .requiredOption('--members <file>', 'JSON list of the whole next committee, - for standard input'),
  )
    .addHelpText(
      'after',
      `
Every member's operator runs this with the same file. The quorum-th approval changes the committee, at once and for good; until
then a member can approve something else instead. Run it again at any time: what stands already is not sent twice.
Start the members that come before the others approve: what the next committee's quorum does not run for, nobody decides.
Where the config has rules of admission, --log must be the approving member's own: it is asked whether it has admitted
whoever is new, and its signed word is needed, for --print too.
Example:
  coalition committee rotate --config coalition.json --members next.json --key member.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(async ({ members, ...options }: ApprovalOptions & { members: string }, command: Command) => {
      await runApproval(command, options, { kind: 'rotation', members: await readMembers(members) })
    })

const retireCommand = (): Command =>
  addApprovalOptions(
    new Command('retire')
      .description('approve that the component ends; a quorum of the current members has to approve the very same')
      .requiredOption('--successor <key>', 'component key of what takes its place, or none', toSuccessor)
      .option('--reason <text>', 'for people, up to 256 bytes of UTF-8; part of what is approved', ''),
  )
    .addHelpText(
      'after',
      `
Every member's operator runs this with the same successor and reason. The quorum-th approval is the component's last word: its
members sign nothing more, nothing of it anchors after it, and whoever binds to it is told the successor. It cannot be undone.
Example:
  coalition committee retire --config coalition.json --successor none --reason 'replaced' --key member.json \\
    --password-file password.txt --log http://127.0.0.1:4100`,
    )
    .action(
      async (
        { successor, reason, ...options }: ApprovalOptions & { successor: Hex; reason: string },
        command: Command,
      ) => {
        await runApproval(command, options, { kind: 'retirement', successor, reason })
      },
    )

type ShowOptions = { component: ComponentKind; log: string; json?: boolean }

type Shown = {
  component: Hex
  epoch: bigint
  committeeHash: Hex
  quorum: number
  members: readonly Member[]
  epochs: { epoch: bigint; committeeHash: Hex; firstHeight: bigint; lastHeight: bigint | null }[]
  approvals: { command: Hex; members: Hex[] }[]
  retirement: { successor: Hex; reason: string; effectiveHeight: bigint } | null
}

const showCommand = (): Command =>
  new Command('show')
    .description('say who decides now, who decided before, and what members approve')
    .argument('<config>', 'coalition.json that names the component')
    .addOption(componentOption())
    .requiredOption('--log <url>', 'log of any member')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Each committee but the first is certified by the one before it, and the first is the config's. The approvals are the word of
the member whose log it is. Whether the chain agrees is for coalition status to say.
Example:
  coalition committee show coalition.json --log http://127.0.0.1:4100`,
    )
    .action(show)

async function show(config: string, { component: kind, log: logUrl, json }: ShowOptions): Promise<void> {
  const spelledOut = await readComponent(config, { kind })
  const log = createLogReader({ url: logUrl, of: spelledOut })
  const epochs = await followEpochs({ logs: [log] }, createEpochs(spelledOut))
  const { epoch, committeeHash, members } = currentCommittee(epochs)
  const status = await log.readStatus()
  const approvals = status.epoch === epoch ? status.approvals : []
  const { retirement } = epochs
  const shown: Shown = {
    component: epochs.component,
    epoch,
    committeeHash,
    quorum: quorumOf(members.length),
    members,
    epochs: epochs.committees.map(({ end, ...each }) => ({
      epoch: each.epoch,
      committeeHash: each.committeeHash,
      firstHeight: each.firstHeight,
      lastHeight: end?.commit.height ?? null,
    })),
    approvals: [...new Set(approvals.map(({ command }) => command))].map((command) => ({
      command,
      members: approvals.filter((each) => each.command === command).map(({ member }) => member),
    })),
    retirement: retirement && {
      successor: retirement.successor,
      reason: retirement.reason,
      effectiveHeight: retirement.effectiveHeight,
    },
  }
  print(shown, { json, text: describeShown })
}

const describeShown = (shown: Shown): string =>
  [
    `component ${shown.component}`,
    ...shown.epochs.map(
      ({ epoch, committeeHash, firstHeight, lastHeight }) =>
        `epoch     ${epoch}: committee ${committeeHash}, heights ${firstHeight} to ${lastHeight ?? 'now'}`,
    ),
    ...(shown.retirement === null
      ? []
      : [
          `retired   at height ${shown.retirement.effectiveHeight}; its successor: ${describeSuccessor(shown.retirement.successor)}; reason: ${toJsonText(shown.retirement.reason)}`,
        ]),
    `quorum    ${shown.quorum} of ${shown.members.length}`,
    ...shown.members.map(
      ({ signer, noteKey }) => `member    ${signer}${noteKey === undefined ? '' : `, note key ${noteKey}`}`,
    ),
    ...shown.approvals.map(
      ({ command, members }) => `approval  of ${command} by ${members.length}: ${members.join(', ')}`,
    ),
  ].join('\n')

function toSuccessor(text: string): Hex {
  if (text === 'none') return ZERO_BYTES32
  if (!isHex(text, 32)) throw new InvalidArgumentError('Give 32 bytes of lower-case hex, or none.')
  return text
}
