import { AttestationError } from './attestationError.ts'
import { JsonObject } from './signedJson.ts'
import { MODULE_STATUSES, PLATFORM_STATUSES, type TcbStatus } from './tcbStatus.ts'

export class TcbInfoError extends AttestationError<'TCB_INFO_UNSUPPORTED' | 'TCB_INFO_LEVEL_DUPLICATE'> {
  constructor(code: TcbInfoError['code'], message: string) {
    super(code, `${message}.`, { fix: 'Fetch the TDX TCB info (version 3) of this platform from PCS API version 4.' })
  }
}

/** One of the sixteen components of a TCB level; category and type are Intel's words for what must be updated. */
export type TcbComponent = { svn: number; category: string | undefined; type: string | undefined }

export type TcbLevel = {
  sgxComponents: readonly TcbComponent[]
  tdxComponents: readonly TcbComponent[]
  pceSvn: number
  status: TcbStatus
  tcbDateMs: number
  advisoryIds: readonly string[]
}

/** A level of a TDX module or of the quoting enclave. */
export type ModuleTcbLevel = { isvSvn: number; status: TcbStatus; tcbDateMs: number; advisoryIds: readonly string[] }

export type TdxModule = { mrSigner: Uint8Array; attributes: Uint8Array; attributesMask: Uint8Array }
export type TdxModuleIdentity = TdxModule & {
  /** Upper-case, `TDX_` and two hex digits. */
  id: string
  /** Newest first. */
  levels: readonly ModuleTcbLevel[]
}

export type TcbInfo = {
  fmspc: Uint8Array
  pceId: Uint8Array
  issueDateMs: number
  nextUpdateMs: number
  evaluationDataNumber: number
  /** Judges modules of version 0 (TEE_TCB_SVN[1] = 0). */
  tdxModule: TdxModule
  tdxModuleIdentities: readonly TdxModuleIdentity[]
  /** Newest first. */
  levels: readonly TcbLevel[]
}

const COMPONENT_COUNT = 16
const UINT32_MAX = 2 ** 32 - 1

/**
 * Decodes TDX TCB info, version 3 (PCS API v4, `GET /tdx/certification/v4/tcb`). Fields that it does not know are left
 * alone, as in Intel's library: the signature already says whose they are.
 *
 * @throws {TcbInfoError} another id, version or type (`TCB_INFO_UNSUPPORTED`), or a level that stands there twice.
 * @throws {SignedJsonError} a field is missing or of another kind; an unknown status.
 */
export function decodeTcbInfo(json: JsonObject): TcbInfo {
  const id = json.string('id')
  const version = json.unsigned('version', UINT32_MAX)
  if (id !== 'TDX' || version !== 3) {
    throw new TcbInfoError('TCB_INFO_UNSUPPORTED', `The TCB info is "${id}" version ${version}, not "TDX" version 3`)
  }
  const tcbType = json.unsigned('tcbType', UINT32_MAX)
  if (tcbType !== 0)
    throw new TcbInfoError('TCB_INFO_UNSUPPORTED', `The TCB info composes its levels as type ${tcbType}, not 0`)
  return {
    fmspc: json.hex('fmspc', 6),
    pceId: json.hex('pceId', 2),
    issueDateMs: json.dateMs('issueDate'),
    nextUpdateMs: json.dateMs('nextUpdate'),
    evaluationDataNumber: json.unsigned('tcbEvaluationDataNumber', UINT32_MAX),
    tdxModule: decodeTdxModule(json.object('tdxModule')),
    tdxModuleIdentities: json.has('tdxModuleIdentities') ? json.objects('tdxModuleIdentities').map(decodeIdentity) : [],
    levels: sortLevels(json.objects('tcbLevels').map(decodeLevel)),
  }
}

const decodeTdxModule = (json: JsonObject): TdxModule => ({
  mrSigner: json.hex('mrsigner', 48),
  attributes: json.hex('attributes', 8),
  attributesMask: json.hex('attributesMask', 8),
})

const decodeIdentity = (json: JsonObject): TdxModuleIdentity => ({
  ...decodeTdxModule(json),
  id: json.string('id').toUpperCase(),
  levels: decodeModuleLevels(json),
})

/** Levels of a TDX module or a quoting enclave, newest first. */
export function decodeModuleLevels(json: JsonObject): readonly ModuleTcbLevel[] {
  const levels = json.objects('tcbLevels').map((level) => ({
    isvSvn: level.object('tcb').unsigned('isvsvn', 65_535),
    status: level.oneOf('tcbStatus', MODULE_STATUSES),
    tcbDateMs: level.dateMs('tcbDate'),
    advisoryIds: level.optionalStrings('advisoryIDs'),
  }))
  if (new Set(levels.map((level) => level.isvSvn)).size !== levels.length) {
    throw new TcbInfoError('TCB_INFO_LEVEL_DUPLICATE', `The ${json.path} has a TCB level twice`)
  }
  return levels.sort((a, b) => b.isvSvn - a.isvSvn)
}

function decodeLevel(json: JsonObject): TcbLevel {
  const tcb = json.object('tcb')
  return {
    sgxComponents: decodeComponents(tcb, 'sgxtcbcomponents'),
    tdxComponents: decodeComponents(tcb, 'tdxtcbcomponents'),
    pceSvn: tcb.unsigned('pcesvn', 65_535),
    status: json.oneOf('tcbStatus', PLATFORM_STATUSES),
    tcbDateMs: json.dateMs('tcbDate'),
    advisoryIds: json.optionalStrings('advisoryIDs'),
  }
}

function decodeComponents(tcb: JsonObject, key: string): readonly TcbComponent[] {
  const components = tcb.list(key)
  if (components.length !== COMPONENT_COUNT) {
    throw new TcbInfoError(
      'TCB_INFO_UNSUPPORTED',
      `The ${tcb.path} has ${components.length} ${key}, not ${COMPONENT_COUNT}`,
    )
  }
  return components.map(
    (item, index) => readUsualComponent(item) ?? decodeComponent(new JsonObject(key, item, tcb, index)),
  )
}

const decodeComponent = (json: JsonObject): TcbComponent => ({
  svn: json.unsigned('svn', 255),
  category: json.optionalString('category'),
  type: json.optionalString('type'),
})

/** A component without fault, the short way for the hundreds there are; `decodeComponent` names the fault of any other. */
function readUsualComponent(item: unknown): TcbComponent | undefined {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined
  const { svn, category, type } = item as Record<string, unknown>
  if (typeof svn !== 'number' || !Number.isInteger(svn) || svn < 0 || svn > 255) return undefined
  if (category !== undefined && typeof category !== 'string') return undefined
  if (type !== undefined && typeof type !== 'string') return undefined
  return { svn, category, type }
}

/** Newest first by SGX components, then PCESVN, then TDX components, and none twice: the order of Intel's library (QVL, `TcbLevel::operator>`). */
function sortLevels(levels: TcbLevel[]): readonly TcbLevel[] {
  const sorted = levels.sort(compareLevels)
  for (let i = 1; i < sorted.length; i++) {
    if (compareLevels(sorted[i - 1]!, sorted[i]!) === 0) {
      throw new TcbInfoError('TCB_INFO_LEVEL_DUPLICATE', 'The TCB info has a TCB level twice')
    }
  }
  return sorted
}

function compareLevels(a: TcbLevel, b: TcbLevel): number {
  return (
    compareComponents(a.sgxComponents, b.sgxComponents) ||
    b.pceSvn - a.pceSvn ||
    compareComponents(a.tdxComponents, b.tdxComponents)
  )
}

function compareComponents(a: readonly TcbComponent[], b: readonly TcbComponent[]): number {
  for (let i = 0; i < COMPONENT_COUNT; i++) {
    const difference = b[i]!.svn - a[i]!.svn
    if (difference !== 0) return difference
  }
  return 0
}
