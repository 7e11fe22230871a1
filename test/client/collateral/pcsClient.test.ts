import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPcsClient, INTEL_PCS_URL, toCollateralKey } from '../../../client/collateral/pcsClient.ts'
import { readVector } from '../../protocol/attestation/vectors.ts'
import { startPccs } from './localPccs.ts'

const { collateral } = readVector('v4-b0c06f-uptodate')
const KEY = { fmspc: '0xb0c06f000000', ca: 'platform' } as const

test('createPcsClient: fetches the very bytes that Intel signed', async (context) => {
  const pccs = await startPccs(context, collateral, { tls: false })
  assert.deepEqual(await createPcsClient({}, { url: pccs.url }).fetch(KEY), collateral)
  assert.deepEqual(pccs.requests.sort(), [
    '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
    '/sgx/certification/v4/rootcacrl',
    '/tdx/certification/v4/qe/identity?update=standard',
    '/tdx/certification/v4/tcb?fmspc=B0C06F000000&update=standard',
  ])
})

test('createPcsClient: asks the early channel, the SGX endpoints and the processor CA where told to', async (context) => {
  const pccs = await startPccs(context, collateral, { tls: false })
  await createPcsClient({}, { url: `${pccs.url}/sgx/certification/v4/`, update: 'early', tee: 'sgx' }).fetch({
    ...KEY,
    ca: 'processor',
  })
  assert.deepEqual(pccs.requests.sort(), [
    '/sgx/certification/v4/pckcrl?ca=processor&encoding=der',
    '/sgx/certification/v4/qe/identity?update=early',
    '/sgx/certification/v4/rootcacrl',
    '/sgx/certification/v4/tcb?fmspc=B0C06F000000&update=early',
  ])
})

test("createPcsClient: takes Intel's root list from where Intel keeps it", async () => {
  const asked: string[] = []
  const fetch = async (address: string | URL | Request): Promise<Response> => {
    asked.push(String(address))
    return new Response('', { status: 503 })
  }
  await assert.rejects(createPcsClient({ fetch }, {}).fetch(KEY), { code: 'COLLATERAL_UNAVAILABLE', isRetryable: true })
  assert.ok(asked.includes('https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'))
  assert.equal(asked.filter((address) => address.startsWith(INTEL_PCS_URL)).length, 3)
})

for (const how of ['status', 'garbage', 'headers', 'endless'] as const) {
  test(`createPcsClient: gives up on an answer that is broken (${how})`, async (context) => {
    const pccs = await startPccs(context, collateral, { tls: false })
    pccs.break(/tdx.*tcb/, how)
    await assert.rejects(createPcsClient({}, { url: pccs.url }).fetch(KEY), { code: 'COLLATERAL_UNAVAILABLE' })
  })
}

test('createPcsClient: gives up on a service that does not answer', async () => {
  await assert.rejects(createPcsClient({}, { url: 'http://127.0.0.1:1' }).fetch(KEY), {
    code: 'COLLATERAL_UNAVAILABLE',
  })
})

test('createPcsClient: refuses what is not an address', () => {
  for (const url of ['', 'pccs.example', 'file:///etc/passwd']) {
    assert.throws(() => createPcsClient({}, { url }), { code: 'PCS_URL_INVALID' })
  }
})

test('toCollateralKey: tells the two authorities apart', () => {
  const { fmspc } = KEY
  assert.equal(toCollateralKey({ fmspc, pckCa: 'Intel SGX PCK Processor CA' }).ca, 'processor')
  assert.equal(toCollateralKey({ fmspc, pckCa: 'Intel SGX PCK Platform CA' }).ca, 'platform')
})
