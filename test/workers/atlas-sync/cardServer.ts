import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { isIPv4 } from 'node:net'
import { concat, element, sequence } from '../../protocol/attestation/factory/der.ts'
import {
  type CertificateSpec,
  createCertificate,
  createKey,
  defaultAlgorithm,
  toPem,
} from '../../protocol/attestation/factory/pki.ts'

const HOUR_MS = 3_600_000

/** A certificate authority of the tests' own, and what it signs. */
export function createAuthority() {
  const key = createKey()
  const id = Uint8Array.of(1, 2, 3, 4)
  const specOf = (of: Partial<CertificateSpec>): CertificateSpec => ({
    version: 2,
    serial: Uint8Array.of(7),
    subject: 'Test CA',
    issuer: 'Test CA',
    notBeforeMs: Date.now() - HOUR_MS,
    notAfterMs: Date.now() + HOUR_MS,
    key,
    issuerKey: key,
    subjectKeyId: id,
    authorityKeyId: id,
    isCa: true,
    pathLength: undefined,
    keyUsage: 0x06, // keyCertSign, cRLSign
    algorithm: defaultAlgorithm,
    publicPoint: key.point,
    extraExtensions: [],
    omittedExtensions: ['2.5.29.31'],
    ...of,
  })
  return {
    ca: toPem(createCertificate(specOf({}))),
    /** A certificate for `name`, or an IPv4 address, and its key, PEM both. */
    issue(name: string, over: Partial<CertificateSpec> = {}): { cert: string; key: string } {
      const own = createKey()
      const general = isIPv4(name)
        ? element(0x87, Uint8Array.from(name.split('.').map(Number)))
        : element(0x82, concat(Buffer.from(name)))
      const altName = { id: '2.5.29.17', value: sequence(general) }
      const spec = specOf({
        ...{ subject: name, serial: Uint8Array.of(8), key: own, publicPoint: own.point },
        ...{ subjectKeyId: Uint8Array.of(9), isCa: false, keyUsage: 0x80, extraExtensions: [altName], ...over },
      })
      return {
        cert: toPem(createCertificate(spec)),
        key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      }
    },
  }
}

export type CardServer = { port: number; asked: string[]; close(): void }

/** An https server on loopback; `asked` lists the Host header and path of each request. */
export async function serveCards(
  credentials: { cert: string; key: string },
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<CardServer> {
  const asked: string[] = []
  const server = createServer(credentials, (request, response) => {
    asked.push(`${request.headers.host} ${request.url}`)
    answer(response, request)
  })
  // A client that does not like the certificate breaks off, which is no fault here.
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return {
    port: (server.address() as { port: number }).port,
    asked,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
