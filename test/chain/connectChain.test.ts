import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import {
  connectChain,
  InvalidRpcUrlError,
  RpcRefusedError,
  RpcUnreachableError,
  WrongChainError,
} from '../../chain/connectChain.ts'

/** An endpoint that answers each request as `answer` says. */
async function serve(answer: (method: string) => object | number): Promise<{ url: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      const { id, method } = JSON.parse(body) as { id: number; method: string }
      const result = answer(method)
      if (typeof result === 'number') return response.writeHead(result).end()
      response.writeHead(200, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ jsonrpc: '2.0', id, ...result }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}

test('connectChain: the chain that the endpoint serves', async () => {
  const { url, close } = await serve(() => ({ result: '0x7a69' }))
  assert.equal((await connectChain({ rpcUrl: url })).chainId, 31_337)
  assert.equal((await connectChain({ rpcUrl: url, chainId: 31_337n })).chainId, 31_337)
  close()
})

test('connectChain: refuses what is not an http URL', async () => {
  for (const rpcUrl of ['', 'localhost:8545', 'ws://127.0.0.1:8545', 'file:///etc/hosts']) {
    await assert.rejects(connectChain({ rpcUrl }), InvalidRpcUrlError)
  }
})

test('connectChain: says that nothing answers, without the path and query, which may hold a key', async () => {
  const { url, close } = await serve(() => ({}))
  close()
  await assert.rejects(connectChain({ rpcUrl: `${url}/v3/secret?key=secret` }), (error) => {
    assert.ok(error instanceof RpcUnreachableError)
    assert.equal(error.message, `The chain's RPC endpoint at ${new URL(url).host} does not answer.`)
    assert.equal(JSON.stringify(error).includes('secret'), false)
    assert.equal(error.isRetryable, true)
    return true
  })
})

test('connectChain: says that what answers is no JSON-RPC endpoint, and says it of none that only will not now', async () => {
  for (const [status, body, message] of [
    [405, '{"error":"read-only: GET or HEAD"}', /is no JSON-RPC endpoint: HTTP status 405\.$/],
    [404, 'not found', /is no JSON-RPC endpoint: HTTP status 404\.$/],
    [200, '<html>', /is no JSON-RPC endpoint: it sends no JSON\.$/],
    [200, '{}', /is no JSON-RPC endpoint: it names no chain\.$/],
    [200, '{"result":"main"}', /is no JSON-RPC endpoint: it names no chain\.$/],
    [403, 'forbidden', /does not answer\.$/],
  ] as const) {
    const server = createServer((request, response) =>
      request.resume().on('end', () => response.writeHead(status).end(body)),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const rpcUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await assert.rejects(connectChain({ rpcUrl }), { code: 'RPC_UNREACHABLE', message, isRetryable: true }, body)
    server.close()
  }
})

test('connectChain: refuses another chain', async () => {
  const { url, close } = await serve(() => ({ result: '0x1' }))
  await assert.rejects(connectChain({ rpcUrl: url, chainId: 31_337 }), WrongChainError)
  close()
})

test('connectChain: says that the endpoint refused, and why', async () => {
  const { url, close } = await serve(() => ({ error: { code: -32_005, message: 'rate limited' } }))
  await assert.rejects(connectChain({ rpcUrl: url }), (error) => {
    assert.ok(error instanceof RpcRefusedError)
    assert.match(error.message, /rate limited/)
    return true
  })
  close()
})
