import { type Command, Option } from 'commander'
import { approve, findDecision, type Proposal, type ProposalState, prepareApproval } from '../client/approve.ts'
import { assertEntrantsAdmitted } from '../client/entrants.ts'
import { createEpochs, currentCommittee } from '../client/epochs.ts'
import { followEpochs } from '../client/followEpochs.ts'
import { readKeystoreAddress } from '../client/keystore.ts'
import { createLogReader } from '../client/logReader.ts'
import { type ComponentKind, readComponent } from '../client/readComponent.ts'
import type { Hex } from '../protocol/bytes.ts'
import { isSignedBy } from '../protocol/wire/certificate.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import {
  deriveEnvelopeDigest,
  type Envelope,
  EnvelopeRefusedError,
  type SignedEnvelope,
  signEnvelope,
} from '../protocol/wire/envelope.ts'
import { toEnvelopeTypedData } from '../protocol/wire/envelopeTypedData.ts'
import { toCompactSignature } from '../protocol/wire/signature.ts'
import { componentOption, toAddress, toSeconds, toSequence, toSignature } from './arguments.ts'
import { passwordOption, unlockKey } from './keyOption.ts'
import { print, say } from './output.ts'
import { addRedisOption } from './redisOption.ts'

/** What every command takes with which a member approves something. */
export type ApprovalOptions = {
  config: string
  component: ComponentKind
  log: string
  redis: string
  key?: string
  passwordFile?: string
  signer?: Hex
  signature?: Hex
  sequence?: bigint
  print?: boolean
  timeout: number
  json?: boolean
}

export const addApprovalOptions = (command: Command): Command =>
  addRedisOption(
    command
      .requiredOption('--config <file>', 'coalition.json that names the component')
      .addOption(componentOption())
      .requiredOption('--log <url>', 'log of any member: to follow the committee, and to count approvals')
      .option('--key <file>', 'keystore of the member that approves')
      .addOption(passwordOption())
      .addOption(
        new Option('--signer <address>', 'the member that approves, where its key is elsewhere')
          .argParser(toAddress)
          .conflicts('key'),
      )
      .addOption(
        new Option('--signature <hex>', 'what the key elsewhere signed: 64 or 65 bytes')
          .argParser(toSignature)
          .conflicts(['key', 'print']),
      )
      .option('--print', 'print what is to be signed, as EIP-712 typed data, and send nothing')
      .option('--sequence <number>', 'sequence of the envelope, as --print said it', toSequence),
  )
    .option('--timeout <seconds>', 'how long to wait for the proof that the approval was decided', toSeconds, 30)
    .option('--json', 'print JSON')

/** Follows the component of `config` to its current committee, and lets a member approve what `propose` makes of it. */
export async function runApproval(command: Command, options: ApprovalOptions, proposal: Proposal): Promise<void> {
  const { config, component: kind, log: logUrl, redis: redisUrl, sequence, timeout, json } = options
  if (options.key === undefined && options.signer === undefined) {
    command.error("error: required option '--key <file>' not specified: or give --signer <address>")
  }
  if (options.signer !== undefined && options.signature === undefined && !options.print) {
    command.error("error: option '--signer <address>' needs --print, or --signature <hex>")
  }
  const spelledOut = await readComponent(config, { kind })
  const log = createLogReader({ url: logUrl, of: spelledOut })
  const { signer, sign } = await openSigner(options)
  const epochs = await followEpochs({ logs: [log] }, createEpochs(spelledOut))
  const { component } = epochs
  const done = findDecision(epochs, proposal)
  const { signers: current } = currentCommittee(epochs)
  const assertMaySign = async (): Promise<void> => {
    if (spelledOut.validators === ZERO_BYTES32 || proposal.kind !== 'rotation') return
    const clock = { nowMs: Date.now }
    await assertEntrantsAdmitted({ log, clock }, { component, member: signer, current, next: proposal.members })
  }
  if (done !== undefined) printState({ component, proposal: proposal.kind, ...done, isSent: false }, json)
  else if (sign === undefined) {
    const envelope = await prepareApproval({ log }, { epochs, proposal, signer, sequence })
    await assertMaySign()
    printEnvelope(envelope, json)
  } else {
    const timeoutMs = timeout * 1000
    const state = await approve(
      { log, redisUrl },
      { epochs, proposal, signer, sequence, sign, timeoutMs, assertMaySign },
    )
    printState({ component, proposal: proposal.kind, ...state }, json)
  }
}

type Signer = {
  signer: Hex
  /** Undefined where what is to be signed is only printed. */
  sign: ((envelope: Envelope) => SignedEnvelope) | undefined
}

async function openSigner({
  key: path,
  passwordFile,
  signer,
  signature,
  print: isPrinted,
}: ApprovalOptions): Promise<Signer> {
  if (path !== undefined && !isPrinted) {
    const key = await unlockKey({ key: path, passwordFile })
    return { signer: key.signer, sign: (envelope) => signEnvelope(envelope, key.secretKey) }
  }
  if (signature === undefined) return { signer: signer ?? (await readKeystoreAddress(path!)), sign: undefined }
  return { signer: signer!, sign: (envelope) => attach(envelope, toCompactSignature(signature)) }
}

/** @throws {EnvelopeRefusedError} the submitter's key did not sign this. */
function attach(envelope: Envelope, signature: Hex): SignedEnvelope {
  const { submitter, sequence } = envelope
  if (isSignedBy({ digest: deriveEnvelopeDigest(envelope), signature, signer: submitter }))
    return { ...envelope, signature }
  const reason = `its signature is not ${submitter}’s for sequence ${sequence}; --print says again what is to be signed`
  throw new EnvelopeRefusedError({ reason, fault: 'signature' })
}

function printEnvelope(envelope: Envelope, json: boolean | undefined): void {
  const digest = deriveEnvelopeDigest(envelope)
  const toSign = { digest, sequence: envelope.sequence.toString(), typedData: toEnvelopeTypedData(envelope) }
  if (!json) say(`to be signed by ${envelope.submitter}; then run this again with --signature and --sequence`)
  print(toSign, { json: true, text: String })
}

type PrintedState = ProposalState & { component: Hex; proposal: Proposal['kind']; isSent: boolean }

const printState = (state: PrintedState, json: boolean | undefined): void => print(state, { json, text: describeState })

const describeState = (state: PrintedState): string =>
  state.status === 'decided'
    ? state.epoch === null
      ? 'decided   the component began with that committee'
      : `decided   the ${state.proposal} ended epoch ${state.epoch} at height ${state.height}`
    : [
        `waiting   the ${state.proposal} ends epoch ${state.epoch} when ${state.quorum} members approve it`,
        `command   ${state.command}`,
        `approved  by ${state.approvedBy.length}: ${state.approvedBy.join(', ')}`,
        state.isSent ? 'this approval is decided and counts' : 'this approval stood already: nothing was sent',
      ].join('\n')
