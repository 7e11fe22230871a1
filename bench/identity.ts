import { blake3 } from '../protocol/hash.ts'
import { parseCoalition } from '../protocol/identity/coalition.ts'
import { fromHex, toHex } from '../protocol/identity/configCodec.ts'
import { deriveAll } from '../protocol/identity/derivation.ts'
import { type Figure, measureRate } from './measure.ts'

const CITIZENS = 1_000

/** A config file of lattices and organisms in equal parts, as text, so that parsing and checking count too. */
function createConfigText(): string {
  const lattices = Array.from({ length: CITIZENS / 2 }, (_, index) => ({ name: `chain-${index}`, chainId: index + 1 }))
  const organisms = lattices.map(({ name }) => ({ role: 'oracle', name: `price-feed.${name}` }))
  return JSON.stringify({ schemaVersion: 1, name: 'bench', lattices, organisms })
}

/** Derivations a second of a config of 1,000 citizens, beside the raw hash that bounds them. */
export async function benchIdentity(): Promise<Figure[]> {
  const text = createConfigText()
  const canonical = toHex(parseCoalition(text))
  // A fingerprint's preimage has about this size.
  const preimage = new Uint8Array(256)
  return [
    {
      name: 'derive a config of 1,000 citizens',
      value: measureRate(() => deriveAll(parseCoalition(text))),
      unit: '1/s',
    },
    { name: 'encode a config of 1,000 citizens', value: measureRate(() => toHex(parseCoalition(text))), unit: '1/s' },
    { name: 'decode a config of 1,000 citizens', value: measureRate(() => fromHex(canonical)), unit: '1/s' },
    { name: 'blake3 of 256 bytes, raw', value: measureRate(() => blake3(preimage)), unit: '1/s' },
  ]
}
