import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { INTEL_SGX_ROOT } from '../../../protocol/attestation/intelRoot.ts'
import { decodePemBlocks, encodePem } from '../../../protocol/attestation/pem.ts'

const { der } = INTEL_SGX_ROOT.certificate
const { pem: known } = INTEL_SGX_ROOT

test('encodePem: writes what OpenSSL writes', () => {
  assert.equal(Buffer.from(encodePem(der).text).toString(), new X509Certificate(der).toString().trimEnd())
})

test('decodePemBlocks: hands back a known certificate, and decodes one in other lines or of another byte', () => {
  assert.equal(decodePemBlocks(known.text, [known])[0], known)
  const text = Buffer.from(known.text).toString()
  for (const other of [text.replaceAll('\n', '\r\n'), text.replace('MIIC', 'MIID')]) {
    const [block] = decodePemBlocks(Buffer.from(other), [known])
    assert.notEqual(block, known)
    assert.equal(Buffer.compare(block!.der, der) === 0, !other.includes('MIID'))
  }
})
