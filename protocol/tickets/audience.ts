import { type Hex, toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import { deriveTypehash, hashStruct, packWords } from '../wire/typedData.ts'

/**
 * Whom a ticket is for is one value of 32 bytes, in both of its forms: the contract compares the word, and `aud` of the JWS is
 * that word in lower-case hex. A consumer may choose any; these are the two ways that two consumers cannot come to the same.
 */

const AUDIENCE_TYPEHASH = deriveTypehash('Audience(string name)')

/** The audience of a consumer that goes by a name, a URL say: `hashStruct(Audience(string name))` of EIP-712, 32 bytes. */
export const deriveNamedAudience = (name: string): Hex =>
  hashStruct(AUDIENCE_TYPEHASH, [toHex(keccak256(new TextEncoder().encode(name)))])

/** The audience of one contract on one chain, as contracts/examples/TicketGate.sol names itself: `keccak256(abi.encode(chainId, contract))`. */
export const deriveContractAudience = ({ chainId, address }: { chainId: bigint; address: Hex }): Hex =>
  toHex(keccak256(packWords([chainId, address])))
