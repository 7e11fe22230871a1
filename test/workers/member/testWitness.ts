import { createServer, type IncomingMessage } from 'node:http'
import { ed25519 } from '@noble/curves/ed25519.js'
import { decodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import type { NoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { openNote } from '../../../protocol/log/openNote.ts'
import { deriveKeyId, type VerifierKey } from '../../../protocol/log/verifierKey.ts'
import { verifyGrowth } from '../../../protocol/log/verifyGrowth.ts'

export type TestWitness = {
  url: string
  key: VerifierKey
  /** What it has cosigned last, by origin. */
  cosigned: Map<string, { size: bigint; root: Uint8Array }>
  /** Status codes that it answered with, in order. */
  answers: number[]
  close(): Promise<void>
}

export type StartTestWitnessOptions = {
  name?: string
  /** The logs that it is configured with: their keys, by origin. */
  logs: ReadonlyMap<string, readonly NoteVerifier[]>
  /** Changes what it answers with; without, it is an honest witness. */
  distort?: (lines: string) => string
  /** Whether it takes requests and never answers. */
  isSilent?: boolean
}

/**
 * Stands in for a witness of the public network: C2SP tlog-witness over loopback HTTP, its checks made one by one as the
 * specification lists them, with a consistency proof that is really verified. What it has cosigned is in memory alone.
 */
export async function startTestWitness(options: StartTestWitnessOptions): Promise<TestWitness> {
  const { name = 'witness.example', logs, distort = (lines) => lines, isSilent = false } = options
  const seed = crypto.getRandomValues(new Uint8Array(32))
  const key: VerifierKey = { name, algorithm: 'cosignature/v1', publicKey: ed25519.getPublicKey(seed) }
  const cosigned: TestWitness['cosigned'] = new Map()
  const answers: number[] = []

  function answer(body: Buffer): { status: number; body?: string; type?: string } {
    const text = body.toString()
    const end = text.indexOf('\n\n')
    const [first, ...proofLines] = text.slice(0, end).split('\n')
    const [, digits] = /^old (0|[1-9][0-9]*)$/.exec(first ?? '') ?? []
    if (end < 0 || digits === undefined || proofLines.length > 63) return { status: 400 }
    const oldSize = BigInt(digits)
    const note = new Uint8Array(body.subarray(Buffer.byteLength(text.slice(0, end + 2))))
    const origin = text.slice(end + 2, text.indexOf('\n', end + 2))
    const verifiers = logs.get(origin)
    if (verifiers === undefined) return { status: 404 }
    let signed: string
    try {
      signed = openNote({ note, verifiers }).text
    } catch {
      return { status: 403 }
    }
    const { size, root } = decodeCheckpoint(signed)
    if (oldSize > size) return { status: 400 }
    const last = cosigned.get(origin) ?? { size: 0n, root: new Uint8Array(0) }
    if (oldSize !== last.size) return { status: 409, body: `${last.size}\n`, type: 'text/x.tlog.size' }
    if (oldSize === size) {
      if (proofLines.length > 0) return { status: 422 }
      if (Buffer.compare(root, last.root) !== 0) return { status: 409 }
    } else {
      try {
        const proof = proofLines.map((line) => new Uint8Array(Buffer.from(line, 'base64')))
        verifyGrowth({ size1: oldSize, root1: last.root, size2: size, root2: root, proof })
      } catch {
        return { status: 422 }
      }
    }
    cosigned.set(origin, { size, root })
    return { status: 200, body: distort(cosign(signed)) }
  }

  /** Made by hand from tlog-cosignature: what is tested does not make what it is tested with. */
  function cosign(text: string): string {
    const time = BigInt(Math.floor(Date.now() / 1000))
    const signature = ed25519.sign(Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), seed)
    const bytes = Buffer.alloc(12)
    bytes.writeUInt32BE(deriveKeyId(key))
    bytes.writeBigUInt64BE(time, 4)
    return `— ${name} ${Buffer.concat([bytes, signature]).toString('base64')}\n`
  }

  const server = createServer(async (request, response) => {
    const body = await readAll(request)
    if (isSilent) return
    const {
      status,
      body: said = '',
      type,
    } = request.method === 'POST' && request.url === '/add-checkpoint' ? answer(body) : { status: 405 }
    answers.push(status)
    response.writeHead(status, type === undefined ? {} : { 'content-type': type })
    response.end(said)
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the witness listens on no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    key,
    cosigned,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
