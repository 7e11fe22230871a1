import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { json, text } from 'node:stream/consumers'
import solc from 'solc'
import type { Chain } from '../../chain/connectChain.ts'
import type { Hex } from '../../protocol/bytes.ts'

/** What somebody submitted for a contract, and whether it is what stands there. */
export type Submission = { address: Hex; name: string; isMatch: boolean }

export type ExplorerStandIn = {
  url: string
  submissions: readonly Submission[]
  /** Lets it answer that it has seen a contract's sources before. */
  know(address: Hex): void
  close(): void
}

type Output = { object: string; immutableReferences?: Record<string, { start: number; length: number }[]> }
type Compiled = { creation: Hex; runtime: Hex; immutables: readonly { start: number; length: number }[] }

/**
 * Stands in for the explorers, which no test can reach: it answers as the APIs of Etherscan (v2; Blockscout's is the same here)
 * and Sourcify (v2) do, as far as Hardhat asks, and it does what they are for. Whatever is submitted is compiled anew, by the
 * compiler that the submission names, and compared with the code on the chain.
 */
export async function startExplorerStandIn(chain: Chain): Promise<ExplorerStandIn> {
  const submissions: Submission[] = []
  const known = new Set<string>()
  const readCode = async (address: Hex): Promise<string> => (await chain.client.getCode({ address })) ?? '0x'
  const submit = (submission: Submission): number => submissions.push(submission) - 1

  async function answerEtherscan(request: IncomingMessage, query: URLSearchParams): Promise<object> {
    switch (query.get('action')) {
      case 'getsourcecode': {
        const isKnown = known.has(query.get('address')!.toLowerCase())
        return { status: '1', message: 'OK', result: [{ SourceCode: isKnown ? '{}' : '' }] }
      }
      case 'verifysourcecode': {
        const form = new URLSearchParams(await text(request))
        const address = form.get('contractaddress')!.toLowerCase() as Hex
        const name = form.get('contractname')!
        const { creation } = compile(JSON.parse(form.get('sourceCode')!), name, form.get('compilerversion')!)
        // What the creation code leaves behind, its arguments included.
        const { data } = await chain.client.call({ data: `${creation}${form.get('constructorArguments') ?? ''}` })
        const index = submit({ address, name, isMatch: data === (await readCode(address)) })
        return { status: '1', message: 'OK', result: String(index) }
      }
      default: {
        const { isMatch } = submissions[Number(query.get('guid'))]!
        return isMatch
          ? { status: '1', message: 'OK', result: 'Pass - Verified' }
          : {
              status: '0',
              message: 'NOTOK',
              result: 'Fail - Unable to verify. Compiled contract deployment bytecode differs',
            }
      }
    }
  }

  async function answerSourcify(request: IncomingMessage, path: string): Promise<[number, object]> {
    const [, action, chainId, address] = /^\/v2\/(contract|verify)\/([^/]+)(?:\/(0x[0-9a-fA-F]{40}))?$/.exec(path)!
    const match = (is: boolean) => ({
      match: is ? 'match' : null,
      creationMatch: null,
      runtimeMatch: is ? 'match' : null,
    })
    if (action === 'contract') {
      const isKnown = known.has(address!.toLowerCase())
      return [isKnown ? 200 : 404, { ...match(isKnown), chainId, address }]
    }
    if (request.method === 'POST') {
      const {
        stdJsonInput,
        contractIdentifier: name,
        compilerVersion,
      } = (await json(request)) as Record<string, string>
      const { runtime, immutables } = compile(stdJsonInput, name!, compilerVersion!)
      const there = Buffer.from((await readCode(address as Hex)).slice(2), 'hex')
      for (const { start, length } of immutables) there.fill(0, start, start + length)
      const isMatch = runtime === `0x${there.toString('hex')}`
      return [202, { verificationId: String(submit({ address: address!.toLowerCase() as Hex, name: name!, isMatch })) }]
    }
    const { isMatch, address: verified } = submissions[Number(chainId)]!
    const job = { isJobCompleted: true, verificationId: chainId, jobStartTime: new Date(0).toJSON() }
    const error = { customCode: 'no_match', message: 'The deployed and recompiled bytecode don’t match', errorId: '0' }
    return [200, { ...job, contract: { ...match(isMatch), address: verified }, ...(isMatch ? {} : { error }) }]
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, 'http://explorer')
    const isSourcify = pathname.startsWith('/v2/')
    const [status, body] = isSourcify
      ? await answerSourcify(request, pathname)
      : [200, await answerEtherscan(request, searchParams)]
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) =>
      response.writeHead(500).end(JSON.stringify({ result: String(error) })),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    submissions,
    know: (address) => void known.add(address),
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** @throws where the input does not compile, or was for another compiler. */
function compile(input: unknown, fullName: string, compilerVersion: string): Compiled {
  if (!`v${solc.version()}`.startsWith(compilerVersion)) throw new Error(`no compiler ${compilerVersion}`)
  const at = fullName.lastIndexOf(':')
  const [source, name] = [fullName.slice(0, at), fullName.slice(at + 1)]
  type Result = {
    errors?: { severity: string; formattedMessage: string }[]
    contracts: Record<string, Record<string, { evm: { bytecode: Output; deployedBytecode: Output } }>>
  }
  const { settings, ...rest } = input as { settings: object }
  const outputSelection = { '*': { '*': ['evm.bytecode.object', 'evm.deployedBytecode'] } }
  const result = JSON.parse(
    solc.compile(JSON.stringify({ ...rest, settings: { ...settings, outputSelection } })),
  ) as Result
  const fault = result.errors?.find(({ severity }) => severity === 'error')
  if (fault !== undefined) throw new Error(fault.formattedMessage)
  const { bytecode, deployedBytecode } = result.contracts[source]![name]!.evm
  return {
    creation: `0x${bytecode.object}`,
    runtime: `0x${deployedBytecode.object}`,
    immutables: Object.values(deployedBytecode.immutableReferences ?? {}).flat(),
  }
}
