import { type Collateral, PCK_CA_NAMES } from '../../protocol/attestation/collateral.ts'
import { REVOCATION_LIST_SIZE_MAX_BYTES } from '../../protocol/attestation/revocationList.ts'
import { SIGNED_JSON_SIZE_MAX_BYTES } from '../../protocol/attestation/signedJson.ts'
import { fromHex, type Hex, isHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { type CollateralKey, type CollateralSource, CollateralUnavailableError } from './collateralSource.ts'

/** Intel's own service; everything it says is signed, so any PCCS in between is as good. */
export const INTEL_PCS_URL = 'https://api.trustedservices.intel.com'
const INTEL_ROOT_CA_CRL_URL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'

export class PcsUrlError extends CoalitionError {
  constructor({ url }: { url: string }) {
    super('PCS_URL_INVALID', `${url} is not the address of a PCS or PCCS.`, {
      fix: 'Give an http(s) URL, as https://pccs.example:8081; the path of version 4 is added.',
    })
  }
}

export type PcsClientOptions = {
  /** Address of a PCS or PCCS, version 4. Default: Intel's. */
  url?: string
  /** `tdx` (the default) or `sgx`: whose TCB info and enclave identity. */
  tee?: 'tdx' | 'sgx'
  /** Intel publishes newer TCB info to `early` first; `standard`, the default, follows weeks later. */
  update?: 'early' | 'standard'
  /** For one answer. Default 10 s. */
  timeoutMs?: number
}

type Answer = { body: Uint8Array; header: (names: readonly string[]) => string }

/** Creates a client of the Intel Provisioning Certification Service, version 4, or of a PCCS that caches it. */
export function createPcsClient(deps: { fetch?: typeof fetch } = {}, options: PcsClientOptions = {}): CollateralSource {
  const { url = INTEL_PCS_URL, tee = 'tdx', update = 'standard', timeoutMs = 10_000 } = options
  const base = toBase(url)
  const send = deps.fetch ?? fetch

  const get = async (key: CollateralKey, address: string, sizeMaxBytes: number): Promise<Answer> => {
    const fail = (reason: string, cause?: unknown) =>
      new CollateralUnavailableError({ key, reason: `${address}: ${reason}`, cause })
    let response: Response
    try {
      response = await send(address, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
    } catch (cause) {
      throw fail(
        cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : 'no answer',
        cause,
      )
    }
    if (!response.ok) throw fail(`answered ${response.status}`)
    const body = await readBounded(response, sizeMaxBytes).catch((cause: unknown) => {
      throw fail('the answer broke off', cause)
    })
    if (!body) throw fail(`answered with more than ${sizeMaxBytes} bytes`)
    const header = (names: readonly string[]): string => {
      const value = names.map((name) => response.headers.get(name)).find((found) => found !== null)
      if (value === undefined || value === null) throw fail(`answered without ${names[0]}`)
      return (
        decodeHeader(value) ??
        ((): never => {
          throw fail(`answered with a broken ${names[0]}`)
        })()
      )
    }
    return { body, header }
  }

  return {
    async fetch(key) {
      const fmspc = key.fmspc.slice(2).toUpperCase()
      const v4 = `${base}/${tee}/certification/v4`
      const rootCrl = base === INTEL_PCS_URL ? INTEL_ROOT_CA_CRL_URL : `${base}/sgx/certification/v4/rootcacrl`
      const [tcb, qe, pckCrl, rootCaCrl] = await Promise.all([
        get(key, `${v4}/tcb?fmspc=${fmspc}&update=${update}`, 2 * SIGNED_JSON_SIZE_MAX_BYTES),
        get(key, `${v4}/qe/identity?update=${update}`, 2 * SIGNED_JSON_SIZE_MAX_BYTES),
        get(key, `${base}/sgx/certification/v4/pckcrl?ca=${key.ca}&encoding=der`, 2 * REVOCATION_LIST_SIZE_MAX_BYTES),
        get(key, rootCrl, 2 * REVOCATION_LIST_SIZE_MAX_BYTES),
      ])
      const tcbInfo = splitSigned(key, tcb.body, 'tcbInfo')
      const qeIdentity = splitSigned(key, qe.body, 'enclaveIdentity')
      return {
        rootCaCrl: toDer(rootCaCrl.body),
        pckCrl: toDer(pckCrl.body),
        pckCrlIssuerChain: pckCrl.header(['SGX-PCK-CRL-Issuer-Chain']),
        tcbInfo: tcbInfo.text,
        tcbInfoSignature: tcbInfo.signature,
        tcbInfoIssuerChain: tcb.header(['TCB-Info-Issuer-Chain', 'SGX-TCB-Info-Issuer-Chain']),
        qeIdentity: qeIdentity.text,
        qeIdentitySignature: qeIdentity.signature,
        qeIdentityIssuerChain: qe.header(['SGX-Enclave-Identity-Issuer-Chain']),
      } satisfies Collateral
    },
  }
}

/** Which collateral a platform needs, from the common name of its PCK authority. */
export function toCollateralKey({ fmspc, pckCa }: { fmspc: Hex; pckCa: string }): CollateralKey {
  return { fmspc, ca: PCK_CA_NAMES.get(pckCa) ?? 'platform' }
}

/** @throws {PcsUrlError} not http(s). */
function toBase(url: string): string {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new PcsUrlError({ url })
  // People configure a PCCS with the path of one of its interfaces, as Intel's own clients want it.
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '').replace(/\/(sgx|tdx)\/certification\/v4$/, '')}`
}

async function readBounded(response: Response, sizeMaxBytes: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.length
    if (size > sizeMaxBytes) return undefined
    parts.push(part)
  }
  const body = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    body.set(part, offset)
    offset += part.length
  }
  return body
}

/** Issuer chains travel percent-encoded in a header. */
function decodeHeader(value: string): string | undefined {
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}

/** Cuts the signed object out of the answer, byte for byte: parsing and writing it again could change what was signed. */
function splitSigned(
  key: CollateralKey,
  body: Uint8Array,
  name: 'tcbInfo' | 'enclaveIdentity',
): { text: string; signature: Uint8Array } {
  const text = new TextDecoder().decode(body)
  const start = new RegExp(`^\\s*\\{\\s*"${name}"\\s*:\\s*(?=\\{)`).exec(text)?.[0].length
  const end = /\s*,\s*"signature"\s*:\s*"([0-9a-fA-F]{128})"\s*\}\s*$/.exec(text)
  if (start === undefined || !end)
    throw new CollateralUnavailableError({ key, reason: `the answer is not a signed ${name}` })
  return { text: text.slice(start, end.index), signature: fromHex(`0x${end[1]!.toLowerCase()}`) }
}

/** Intel serves lists as DER, a PCCS the same bytes in hex. */
function toDer(body: Uint8Array): Uint8Array {
  if (body[0] === 0x30 && body[1]! >= 0x80) return body
  const text = new TextDecoder().decode(body).trim().toLowerCase()
  return isHex(`0x${text}`) ? fromHex(`0x${text}`) : body
}
