import { createServer } from 'node:http'

export type Tamper = (path: string, body: Uint8Array) => Uint8Array

/** A log server that lies: serves what `url` serves, changed by `tamper`. On loopback, for as long as `use` runs. */
export async function withTamperedLog<T>(url: string, tamper: Tamper, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    const upstream = await fetch(`${url}${path}`)
    const body = new Uint8Array(await upstream.arrayBuffer())
    response.statusCode = upstream.status
    response.end(upstream.ok ? tamper(path, body) : body)
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port')
  try {
    return await use(`http://127.0.0.1:${address.port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Changes one letter of the text that stands in an entry. */
export const forgeEntry =
  (from: string, to: string): Tamper =>
  (path, body) => {
    if (!path.startsWith('/tile/entries/')) return body
    const bytes = Buffer.from(body)
    const at = bytes.indexOf(from)
    if (at >= 0) bytes.write(to, at)
    return bytes
  }

/** Changes one digit of the first signature of every certificate. */
export const forgeCertificate: Tamper = (path, body) => {
  if (!path.startsWith('/commit/')) return body
  const text = Buffer.from(body).toString()
  return Buffer.from(
    text.replace(/("signatures":"0x)(.)/, (_all, start: string, digit: string) => start + (digit === '1' ? '2' : '1')),
  )
}
