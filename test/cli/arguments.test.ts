import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command, InvalidArgumentError } from 'commander'
import { toAddress } from '../../cli/arguments.ts'
import { type AudienceOptions, addAudienceOptions } from '../../cli/ticketArguments.ts'

/** The first of EIP-55's own examples. */
const CHECKSUMMED = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
const ADDRESS = '0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed'

test('toAddress: takes lower case and an EIP-55 checksum, and gives lower case', () => {
  assert.equal(toAddress(ADDRESS), ADDRESS)
  assert.equal(toAddress(CHECKSUMMED), ADDRESS)
})

test('toAddress: says that a checksum is wrong', () => {
  for (const text of [CHECKSUMMED.replace('5aA', '5aa'), CHECKSUMMED.replace('4C9', '5C9'), `0x${'A'.repeat(40)}`])
    assert.throws(
      () => toAddress(text),
      (error) => error instanceof InvalidArgumentError && /EIP-55 checksum/.test(error.message),
      text,
    )
})

test('toAddress: refuses what is no address', () => {
  for (const text of [
    '',
    '0x',
    CHECKSUMMED.slice(2),
    CHECKSUMMED.slice(0, -1),
    `${CHECKSUMMED}00`,
    `0X${ADDRESS.slice(2)}`,
  ])
    assert.throws(
      () => toAddress(text),
      (error) => error instanceof InvalidArgumentError && /0x and 40 hex digits/.test(error.message),
      text,
    )
})

test('--audience-contract: the case of the address does not change the audience', () => {
  const audienceOf = (address: string) =>
    addAudienceOptions(new Command())
      .parse(['--audience-contract', `1:${address}`], { from: 'user' })
      .opts<AudienceOptions>().audienceContract
  assert.equal(audienceOf(CHECKSUMMED), audienceOf(ADDRESS))
})
