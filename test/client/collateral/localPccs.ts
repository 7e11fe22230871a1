import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Collateral } from '../../../protocol/attestation/collateral.ts'
import { element, sequence } from '../../protocol/attestation/factory/der.ts'
import { createCertificate, createKey, defaultAlgorithm, toPem } from '../../protocol/attestation/factory/pki.ts'

/** Requests that came, and what to do with the next ones. */
export type LocalPccs = {
  url: string
  requests: string[]
  caPem: string
  break: (path: RegExp, how: 'status' | 'garbage' | 'headers' | 'endless') => void
}

/** A PCCS, version 4, on a free port, that serves `collateral` as Intel's does: hex lists, chains in headers. */
export async function startPccs(
  context: TestContext,
  collateral: Collateral,
  { tls }: { tls: boolean },
): Promise<LocalPccs> {
  const requests: string[] = []
  const broken: { path: RegExp; how: string }[] = []
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const answers: Record<string, { headers: Record<string, string>; body: string | Uint8Array }> = {
    '/tdx/certification/v4/tcb': {
      headers: { 'TCB-Info-Issuer-Chain': encodeURIComponent(collateral.tcbInfoIssuerChain) },
      body: `{"tcbInfo":${collateral.tcbInfo},"signature":"${hex(collateral.tcbInfoSignature)}"}`,
    },
    '/tdx/certification/v4/qe/identity': {
      headers: { 'SGX-Enclave-Identity-Issuer-Chain': encodeURIComponent(collateral.qeIdentityIssuerChain) },
      body: `{"enclaveIdentity":${collateral.qeIdentity},"signature":"${hex(collateral.qeIdentitySignature)}"}`,
    },
    '/sgx/certification/v4/pckcrl': {
      headers: { 'SGX-PCK-CRL-Issuer-Chain': encodeURIComponent(collateral.pckCrlIssuerChain) },
      body: collateral.pckCrl,
    },
    '/sgx/certification/v4/rootcacrl': { headers: {}, body: hex(collateral.rootCaCrl) },
  }
  answers['/sgx/certification/v4/tcb'] = answers['/tdx/certification/v4/tcb']!
  answers['/sgx/certification/v4/qe/identity'] = answers['/tdx/certification/v4/qe/identity']!

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(request.url!)
    const how = broken.find(({ path }) => path.test(request.url!))?.how
    const answer = answers[request.url!.split('?')[0]!]
    if (!answer || how === 'status') return void response.writeHead(404).end()
    if (how === 'garbage') return void response.writeHead(200, answer.headers).end('{"tcbInfo":')
    if (how === 'headers') return void response.writeHead(200).end(answer.body)
    if (how === 'endless') {
      response.writeHead(200, answer.headers)
      const part = Buffer.alloc(65_536, 0x20)
      const more = (): void => void (response.destroyed || response.write(part, () => setImmediate(more)))
      return more()
    }
    response.writeHead(200, answer.headers).end(answer.body)
  }

  const { pem, keyPem } = createTlsCertificate()
  const server = tls ? createHttpsServer({ cert: pem, key: keyPem }, handle) : createHttpServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    caPem: pem,
    break: (path, how) => void broken.push({ path, how }),
  }
}

/** A self-signed certificate for 127.0.0.1. */
function createTlsCertificate(): { pem: string; keyPem: string } {
  const key = createKey()
  const id = Uint8Array.from(Buffer.from('local-pccs-key-id-20'))
  const nowMs = Date.now()
  const address = element(0x87, Uint8Array.of(127, 0, 0, 1))
  const der = createCertificate({
    version: 2,
    serial: Uint8Array.of(1),
    subject: 'local PCCS',
    issuer: 'local PCCS',
    notBeforeMs: nowMs - 3_600_000,
    notAfterMs: nowMs + 3_600_000,
    key,
    issuerKey: key,
    subjectKeyId: id,
    authorityKeyId: id,
    isCa: true,
    pathLength: undefined,
    keyUsage: 0x84,
    algorithm: defaultAlgorithm,
    publicPoint: key.point,
    extraExtensions: [{ id: '2.5.29.17', value: sequence(address) }],
    // An empty list of distribution points is fine for the verifier and not for OpenSSL.
    omittedExtensions: ['2.5.29.31'],
  })
  return { pem: toPem(der), keyPem: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}
