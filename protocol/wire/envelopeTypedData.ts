import { type Hex, toHex } from '../bytes.ts'
import type { Envelope } from './envelope.ts'
import { DOMAIN } from './typedData.ts'

/** An EIP-712 document as `eth_signTypedData_v4` takes it: what a wallet shows and signs. */
export type EnvelopeTypedData = {
  domain: typeof DOMAIN
  types: Record<'EIP712Domain' | 'Envelope', { name: string; type: string }[]>
  primaryType: 'Envelope'
  message: { component: Hex; submitter: Hex; sequence: string; commands: Hex[] }
}

/** What a key elsewhere signs for an envelope; its digest is `deriveEnvelopeDigest`. */
export const toEnvelopeTypedData = ({ component, submitter, sequence, commands }: Envelope): EnvelopeTypedData => ({
  domain: DOMAIN,
  types: {
    EIP712Domain: [
      { name: 'name', type: 'string' },
      { name: 'version', type: 'string' },
    ],
    Envelope: [
      { name: 'component', type: 'bytes32' },
      { name: 'submitter', type: 'address' },
      { name: 'sequence', type: 'uint64' },
      { name: 'commands', type: 'bytes[]' },
    ],
  },
  primaryType: 'Envelope',
  message: { component, submitter, sequence: sequence.toString(), commands: commands.map(toHex) },
})
