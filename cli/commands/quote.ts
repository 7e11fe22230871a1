import { Command, Option } from 'commander'
import { COLLATERAL_FILE_SIZE_MAX_BYTES, parseCollateral } from '../../client/collateral/collateralFiles.ts'
import { createPcsClient, toCollateralKey } from '../../client/collateral/pcsClient.ts'
import type { QuoteAppraisal } from '../../protocol/attestation/appraiseQuote.ts'
import type { Collateral } from '../../protocol/attestation/collateral.ts'
import { inspectQuote, type QuoteInspection } from '../../protocol/attestation/inspectQuote.ts'
import type { Measurements } from '../../protocol/attestation/measurements.ts'
import { type AttestationPolicy, decodePolicy, PolicyInvalidError } from '../../protocol/attestation/policy.ts'
import { toRfc3339 } from '../../protocol/attestation/validity.ts'
import { applyPolicy, createQuoteVerifier, describeLag } from '../../protocol/attestation/verifyQuote.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { toTimeMs } from '../arguments.ts'
import { readBytes, readInput } from '../input.ts'
import { print, printError } from '../output.ts'

/** Larger than any quote, so that the verifier says what is wrong with one that is too large. */
const QUOTE_FILE_SIZE_MAX_BYTES = 1_048_576
const POLICY_FILE_SIZE_MAX_BYTES = 1_048_576

export const quoteCommand = (): Command =>
  new Command('quote')
    .description('look into and verify TDX quotes')
    .addCommand(inspectCommand())
    .addCommand(verifyCommand())

const inspectCommand = (): Command =>
  new Command('inspect')
    .description('say what a TDX quote claims; nothing of it is verified')
    .argument('<quote>', 'path of the raw quote, or - for standard input')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  coalition quote inspect quote.bin')
    .action(async (path: string, { json }: { json?: boolean }) => {
      const quote = await readBytes(path, { sizeMaxBytes: QUOTE_FILE_SIZE_MAX_BYTES })
      print(inspectQuote(quote), { json, text: describeInspection })
    })

type VerifyOptions = {
  collateral?: string
  pccs?: string
  update: 'early' | 'standard'
  at: number
  policy?: string
  json?: boolean
}

const verifyCommand = (): Command =>
  new Command('verify')
    .description('verify a TDX quote')
    .argument('<quote>', 'path of the raw quote, or - for standard input')
    .addOption(new Option('--collateral <file>', 'collateral as a JSON file').conflicts('pccs'))
    .option('--pccs <url>', 'fetch the collateral from this PCCS, or from Intel’s PCS')
    .addOption(
      new Option('--update <channel>', 'which TCB info to fetch').choices(['standard', 'early']).default('standard'),
    )
    .requiredOption('--at <time>', 'when to judge it: RFC 3339, or seconds since 1970', toTimeMs)
    .option('--policy <file>', 'what to accept, as a JSON file (default: UpToDate, nothing else asked)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  coalition quote verify quote.bin --collateral collateral.json --at 2026-03-01T00:00:00Z --policy policy.json',
    )
    .action(verify)

/** What `--json` prints, whatever the outcome. */
type Outcome = {
  accepted: boolean
  tcbStatus: string | null
  advisoryIds: readonly string[]
  tdxModuleStatus: string | null
  measurements: Record<string, string | string[]> | null
  expiresAt: string | null
  error: { code: string; message: string } | null
}

async function verify(path: string, options: VerifyOptions): Promise<void> {
  let appraisal: QuoteAppraisal | undefined
  try {
    const policy = options.policy === undefined ? {} : await readPolicy(options.policy)
    const quote = await readBytes(path, { sizeMaxBytes: QUOTE_FILE_SIZE_MAX_BYTES })
    const collateral = await obtainCollateral(quote, options)
    appraisal = createQuoteVerifier().appraise({ quote, collateral, nowMs: options.at })
    appraisal = applyPolicy(appraisal, policy, options.at)
    print(toOutcome(appraisal, undefined), { json: options.json, text: () => describeAccepted(appraisal!) })
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    process.exitCode = options.json ? exitCodeOf(error) : printError(error, { json: false })
    if (options.json) print(toOutcome(appraisal, error), { json: true, text: () => '' })
    else if (appraisal) print(appraisal, { text: describeRefused })
  }
}

const exitCodeOf = (error: CoalitionError): 1 | 2 => (error.kind === 'refused' ? 1 : 2)

async function obtainCollateral(quote: Uint8Array, { collateral, pccs, update }: VerifyOptions): Promise<Collateral> {
  if (collateral !== undefined) {
    return parseCollateral(await readInput(collateral, { sizeMaxBytes: COLLATERAL_FILE_SIZE_MAX_BYTES }))
  }
  if (pccs === undefined) throw new CollateralMissingError()
  const { fmspc, ca } = inspectQuote(quote).pck
  return createPcsClient({}, { url: pccs, update }).fetch(toCollateralKey({ fmspc, pckCa: ca }))
}

export class CollateralMissingError extends CoalitionError {
  constructor() {
    super('COLLATERAL_MISSING', 'A quote cannot be verified without collateral.', {
      fix: 'Give --collateral FILE, or --pccs URL to fetch it.',
    })
  }
}

async function readPolicy(path: string): Promise<AttestationPolicy> {
  const text = await readInput(path, { sizeMaxBytes: POLICY_FILE_SIZE_MAX_BYTES })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new PolicyInvalidError('The policy is not JSON')
  }
  return decodePolicy(value)
}

function toOutcome(appraisal: QuoteAppraisal | undefined, error: CoalitionError | undefined): Outcome {
  return {
    accepted: error === undefined,
    tcbStatus: appraisal?.tcbStatus ?? null,
    advisoryIds: appraisal?.advisoryIds ?? [],
    tdxModuleStatus: appraisal?.tdxModuleStatus ?? null,
    measurements: appraisal ? toPlainHex(appraisal.measurements) : null,
    expiresAt: appraisal ? toRfc3339(appraisal.expiresAtMs) : null,
    error: error ? { code: error.code, message: error.message } : null,
  }
}

/** Intel's tools write measurements without `0x`; the signer of the TDX module is always Intel's, and so not told. */
function toPlainHex({
  mrSignerSeam: _,
  mrOwnerConfig: __,
  rtMr,
  ...rest
}: Measurements): Record<string, string | string[]> {
  const plain = Object.entries(rest).map(([name, hex]) => [name, hex.slice(2)])
  return { ...Object.fromEntries(plain), rtMr: rtMr.map((hex) => hex.slice(2)) }
}

function describeAccepted(appraisal: QuoteAppraisal): string {
  return ['accepted', ...describeAppraisal(appraisal)].join('\n')
}

function describeRefused(appraisal: QuoteAppraisal): string {
  return ['refused by the policy; the quote itself is genuine', ...describeAppraisal(appraisal)].join('\n')
}

function describeAppraisal(appraisal: QuoteAppraisal): string[] {
  const { measurements, tdxModuleStatus, tdxModuleId, fmspc, expiresAtMs, reportDigest } = appraisal
  const module = tdxModuleId === null ? 'covered by the platform' : `${tdxModuleStatus} (${tdxModuleId})`
  const rows: [string, string][] = [
    ['TCB', `${appraisal.tcbStatus}${appraisal.tcbStatus === 'UpToDate' ? '' : describeLag(appraisal)}`],
    ['platform', `${appraisal.platformTcbStatus}, FMSPC ${fmspc.slice(2)}, ${appraisal.pckCa}`],
    ['TDX module', module],
    ['quoting enclave', appraisal.qeTcbStatus],
    ['advisories', appraisal.advisoryIds.join(', ') || 'none'],
    ['TCB date', toRfc3339(appraisal.tcbDateMs)],
    ['expires', toRfc3339(expiresAtMs)],
    ['report digest', reportDigest],
    ...toRows(measurements),
  ]
  if (appraisal.trailingSizeBytes > 0) rows.push(['trailing bytes', String(appraisal.trailingSizeBytes)])
  return rows.map(toLine)
}

const toLine = ([name, value]: readonly [string, string]): string => `  ${name.padEnd(16)} ${value}`

const toRows = (fields: object): [string, string][] =>
  Object.entries(fields).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((item, i): [string, string] => [`${name}[${i}]`, String(item)])
      : [[name, String(value)] as [string, string]],
  )

function describeInspection(inspection: QuoteInspection): string {
  const { measurements, qe, pck, ...rest } = inspection
  const section = (title: string, fields: object): string[] => [title, ...toRows(fields).map(toLine)]
  return [
    'NOT VERIFIED: this is what the quote claims',
    ...section('quote', rest),
    ...section('TD report', measurements),
    ...section('quoting enclave', qe),
    ...section('PCK certificate', pck),
  ].join('\n')
}
