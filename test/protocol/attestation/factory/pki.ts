import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { bits, concat, type Der, explicit, integer, octets, oid, sequence, set, time, utf8, yes } from './der.ts'

/** A P-256 key pair of the tests; Intel's keys are nowhere near here. */
export type TestKey = { privateKey: KeyObject /** Uncompressed point, 65 bytes. */; point: Uint8Array }

export function createKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, point: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }).subarray(26)) }
}

export const signDer = (key: TestKey, message: Uint8Array): Uint8Array => sign('sha256', message, key.privateKey)
export const signRaw = (key: TestKey, message: Uint8Array): Uint8Array =>
  sign('sha256', message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

export const name = (commonName: string): Der =>
  sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))), set(sequence(oid('2.5.4.10'), utf8('Test Corporation'))))

export type ExtensionSpec = { id: string; isCritical?: boolean; value: Der }

export type CertificateSpec = {
  version: number
  serial: Uint8Array
  subject: string
  issuer: string
  notBeforeMs: number
  notAfterMs: number
  key: TestKey
  /** Who signs. */
  issuerKey: TestKey
  subjectKeyId: Uint8Array
  authorityKeyId: Uint8Array
  isCa: boolean
  pathLength: number | undefined
  /** First byte of KeyUsage. */
  keyUsage: number
  algorithm: Der
  publicPoint: Uint8Array
  /** Behind the five that every certificate has. */
  extraExtensions: readonly ExtensionSpec[]
  /** Object identifiers of extensions to leave out. */
  omittedExtensions: readonly string[]
}

const encodeExtension = ({ id, isCritical, value }: ExtensionSpec): Der =>
  sequence(oid(id), ...(isCritical ? [yes] : []), octets(value))

const sealed = (tbs: Der, key: TestKey): Der => sequence(tbs, ECDSA_WITH_SHA256, bits(signDer(key, tbs)))

export const defaultAlgorithm = ECDSA_WITH_SHA256

export function createCertificate(spec: CertificateSpec): Der {
  const { isCa, pathLength } = spec
  const constraints = sequence(...(isCa ? [yes, ...(pathLength === undefined ? [] : [integer(pathLength)])] : []))
  const usage = bits(Uint8Array.of(spec.keyUsage), trailingZeroCount(spec.keyUsage))
  const extensions: ExtensionSpec[] = [
    { id: '2.5.29.35', value: sequence(elementOf(0x80, spec.authorityKeyId)) },
    { id: '2.5.29.31', value: sequence() },
    { id: '2.5.29.14', value: octets(spec.subjectKeyId) },
    { id: '2.5.29.15', isCritical: true, value: usage },
    { id: '2.5.29.19', isCritical: true, value: constraints },
    ...spec.extraExtensions,
  ]
  const tbs = sequence(
    explicit(0, integer(spec.version)),
    integer(spec.serial),
    spec.algorithm,
    name(spec.issuer),
    sequence(time(spec.notBeforeMs), time(spec.notAfterMs)),
    name(spec.subject),
    sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bits(spec.publicPoint)),
    explicit(3, sequence(...extensions.filter(({ id }) => !spec.omittedExtensions.includes(id)).map(encodeExtension))),
  )
  return sealed(tbs, spec.issuerKey)
}

export type CrlSpec = {
  version: number
  issuer: string
  issuerKey: TestKey
  authorityKeyId: Uint8Array
  thisUpdateMs: number
  nextUpdateMs: number | undefined
  crlNumber: number | undefined
  revoked: readonly { serial: Uint8Array; extensions?: readonly ExtensionSpec[] }[]
  extraExtensions: readonly ExtensionSpec[]
}

export function createCrl(spec: CrlSpec): Der {
  const entries = spec.revoked.map(({ serial, extensions }) =>
    sequence(
      integer(serial),
      time(spec.thisUpdateMs),
      ...(extensions ? [sequence(...extensions.map(encodeExtension))] : []),
    ),
  )
  const extensions: ExtensionSpec[] = [
    { id: '2.5.29.35', value: sequence(elementOf(0x80, spec.authorityKeyId)) },
    ...(spec.crlNumber === undefined ? [] : [{ id: '2.5.29.20', value: integer(spec.crlNumber) }]),
    ...spec.extraExtensions,
  ]
  const tbs = sequence(
    integer(spec.version),
    ECDSA_WITH_SHA256,
    name(spec.issuer),
    time(spec.thisUpdateMs),
    ...(spec.nextUpdateMs === undefined ? [] : [time(spec.nextUpdateMs)]),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    explicit(0, sequence(...extensions.map(encodeExtension))),
  )
  return sealed(tbs, spec.issuerKey)
}

/** Intel's SGX extension of a PCK certificate. */
export type SgxSpec = {
  ppid: Uint8Array
  components: readonly number[]
  pceSvn: number
  cpuSvn: Uint8Array
  pceId: Uint8Array
  fmspc: Uint8Array
  sgxType: number
}

const SGX = '1.2.840.113741.1.13.1'

export function createSgxExtension(spec: SgxSpec): ExtensionSpec {
  const field = (suffix: string, value: Der): Der => sequence(oid(`${SGX}.${suffix}`), value)
  const tcb = sequence(
    ...spec.components.map((svn, i) => field(`2.${i + 1}`, integer(svn))),
    field('2.17', integer(spec.pceSvn)),
    field('2.18', octets(spec.cpuSvn)),
  )
  const value = sequence(
    field('1', octets(spec.ppid)),
    field('2', tcb),
    field('3', octets(spec.pceId)),
    field('4', octets(spec.fmspc)),
    field('5', integer(spec.sgxType, 0x0a)),
  )
  return { id: SGX, value }
}

export const toPem = (...certificates: readonly Der[]): string =>
  certificates
    .map((der) => {
      const lines = Buffer.from(der)
        .toString('base64')
        .match(/.{1,64}/g)!
        .join('\n')
      return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
    })
    .join('')

function elementOf(tag: number, content: Uint8Array): Der {
  return concat(Uint8Array.of(tag, content.length), content)
}

function trailingZeroCount(byte: number): number {
  let count = 0
  while (count < 7 && ((byte >> count) & 1) === 0) count++
  return count
}
