import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Head } from '../../chain/head.ts'
import { encodeTicketProofFile, readTicketProofFile } from '../../cli/ticketProofFile.ts'
import type { ProvenTicket } from '../../client/proveTicket.ts'
import { readComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { deriveContractAudience, deriveNamedAudience } from '../../protocol/tickets/audience.ts'
import { decodeTicketJson, encodeTicketJson } from '../../protocol/tickets/ticketJson.ts'
import { hashTicket } from '../../protocol/wire/ticket.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { createTestTicket } from '../workers/member/issuer-of-tests.ts'
import { type Run, runCoalition } from './run.ts'

const dir = createTestDir()
const path = (name: string): string => join(dir, name)
const subject: Hex = `0x${'51'.repeat(20)}`
const word: Hex = `0x${'a0'.repeat(32)}`
/** Nothing listens there. */
const NOBODY = 'http://127.0.0.1:1'

const config = path('coalition.json')
writeFileSync(
  config,
  JSON.stringify({
    schemaVersion: 1,
    name: 'tickets.test',
    home: { chainId: 31_337, registry: `0x${'9e'.repeat(20)}` },
    ticketIssuer: {
      name: 'tickets.test.issuer',
      members: createTestMembers(4).map(({ signer }) => ({ signer })),
      parameters: { issuers: [subject], anchorEveryCommits: 1, anchorEverySeconds: 1, heartbeatEverySeconds: 60 },
    },
  }),
)
const ticket = createTestTicket()
writeFileSync(path('ticket.json'), encodeTicketJson(ticket))

const run = (...words: readonly string[]): Promise<Run> => runCoalition(['ticket', ...words])
const create = (...words: readonly string[]): Promise<Run> =>
  run('new', '--subject', subject, '--lifetime', '3600', ...words)

async function assertRefused(running: Promise<Run>, code: string, expected = 2): Promise<string> {
  const { status, stdout, stderr } = await running
  assert.equal(stdout, '')
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
  assert.deepEqual([status, error.code], [expected, code], error.message)
  return error.message
}

test('ticket new: keeps the ticket in a file of its owner’s alone, and prints its hash and nothing secret', async () => {
  const out = path('new.json')
  const { status, stdout, stderr } = await create(
    '--audience',
    word,
    '--not-before',
    '1700000000',
    '--out',
    out,
    '--json',
  )
  assert.equal(status, 0, stderr)
  assert.equal(statSync(out).mode & 0o777, 0o600)
  const made = decodeTicketJson(readFileSync(out, 'utf8').trim())
  assert.deepEqual(JSON.parse(stdout), {
    ticketHash: hashTicket(made),
    subject,
    audience: word,
    notBefore: '1700000000',
    notAfter: '1700003600',
  })
  for (const secret of [made.salt, made.ticketId]) assert.ok(!`${stdout}${stderr}`.includes(secret.slice(2)))
  await assertRefused(create('--audience', word, '--out', out, '--json'), 'UNWRITABLE_FILE')
  assert.deepEqual(decodeTicketJson(readFileSync(out, 'utf8').trim()), made, 'and is left as it was')
  await assertRefused(create('--audience', word, '--out', path('no/such/folder'), '--json'), 'UNWRITABLE_FILE')
})

test('ticket new: prints the whole ticket where it is asked to, each with a salt of its own', async () => {
  const audienceOf = async (...words: readonly string[]) =>
    decodeTicketJson((await create(...words, '--id', word, '--out', '-', '--json')).stdout.trim())
  const [named, onChain] = await Promise.all([
    audienceOf('--audience-name', 'https://rollup.example'),
    audienceOf('--audience-contract', `31337:${subject}`),
  ])
  assert.equal(named.audience, deriveNamedAudience('https://rollup.example'))
  assert.equal(onChain.audience, deriveContractAudience({ chainId: 31_337n, address: subject }))
  assert.deepEqual([named.ticketId, named.notAfter - named.notBefore], [word, 3_600n])
  assert.notEqual(named.salt, onChain.salt)
})

for (const [what, words] of [
  ['no audience', []],
  ['two audiences', ['--audience', word, '--audience-name', 'x']],
  ['an audience that is no word', ['--audience', '0xa0']],
  ['a name that looks like hex', ['--audience-name', '0xa0']],
  ['a contract without a chain', ['--audience-contract', subject]],
  ['a lifetime of nothing', ['--audience', word, '--lifetime', '0']],
  ['a lifetime longer than any', ['--audience', word, '--lifetime', (2n ** 40n + 1n).toString()]],
  ['a time with a sign', ['--audience', word, '--not-before', '-1']],
] as const) {
  test(`ticket new: refuses ${what}`, async () => {
    await assertRefused(create(...words, '--out', path('never.json'), '--json'), 'USAGE')
  })
}

test('ticket new: refuses an end that a token cannot say', async () => {
  const words = ['--audience', word, '--not-before', (2n ** 40n - 1n).toString(), '--out', path('never.json'), '--json']
  await assertRefused(create(...words), 'INVALID_TICKET')
})

const keyed = ['--config', config, '--key', path('no.json'), '--log', NOBODY, '--json']
for (const [what, words, code] of [
  ['issue without a ticket', ['issue'], 'USAGE'],
  ['issue of a hash without its end', ['issue', '--hash', word], 'USAGE'],
  ['renew without the new ticket', ['renew', '--hash', word], 'USAGE'],
  ['renew to a hash without its end', ['renew', '--hash', word, '--new-hash', word], 'USAGE'],
  ['revoke without a ticket', ['revoke'], 'USAGE'],
  ['issue of a file that is no ticket', ['issue', '--ticket', config], 'INVALID_TICKET'],
  ['issue without a keystore', ['issue', '--ticket', path('ticket.json'), '--password-file', config], 'KEYSTORE'],
] as const) {
  test(`ticket ${what}: is refused before anything is sent`, async () => {
    const message = await assertRefused(run(...words, ...keyed), code)
    assert.ok(!message.includes(ticket.salt.slice(2)))
  })
}

test('ticket sign, prove: refuse a ticket that is none, and members that nobody is', async () => {
  const files = ['--config', config, '--out', path('never'), '--member', NOBODY, '--json']
  await assertRefused(run('sign', '--ticket', config, ...files), 'INVALID_TICKET')
  await assertRefused(run('sign', '--ticket', path('ticket.json'), ...files), 'LOG_UNREACHABLE')
  const chain = ['--rpc', NOBODY]
  await assertRefused(run('prove', '--ticket', config, ...chain, ...files), 'INVALID_TICKET')
  await assertRefused(run('prove', '--ticket', path('ticket.json'), ...chain, ...files), 'RPC_UNREACHABLE')
})

const head: Head = {
  ...{ committeeHash: word, epoch: 1n, height: 2n, logSize: 3n, logRoot: word, state: word },
  ...{ timestampMs: 4n, anchorIndex: 5n, anchoredAt: 6n, retired: false },
}
const proofOf = (issuer: Hex): ProvenTicket => ({
  ...{ issuer, verifier: subject, ticket, ticketHash: hashTicket(ticket) },
  proof: {
    ...{ issuedUnder: head, leafIndex: 1n, newest: { ...head, retired: true } },
    inclusionProof: [new Uint8Array(32).fill(7)],
    statusProof: [word],
  },
})

test('readTicketProofFile: is the exact inverse of encoding', async () => {
  writeFileSync(path('proof.json'), encodeTicketProofFile(proofOf(word)))
  assert.deepEqual(await readTicketProofFile(path('proof.json')), proofOf(word))
})

test('ticket verify: refuses words and files that say nothing, another issuer and another subject', async () => {
  const judge = ['verify', '--config', config, '--audience', ticket.audience, '--subject', subject, '--json']
  await assertRefused(run(...judge), 'USAGE')
  await assertRefused(run(...judge, '--jws', config), 'USAGE')
  await assertRefused(run(...judge, '--proof', config), 'USAGE')
  const token = ['--jws', config, '--member', NOBODY]
  await assertRefused(run(...judge, ...token), 'LOG_UNREACHABLE')
  await assertRefused(run(...judge, ...token, '--lifetime-max', '31622400'), 'LOG_UNREACHABLE')
  for (const none of ['0', '1.5', (2n ** 40n + 1n).toString()]) {
    assert.match(await assertRefused(run(...judge, ...token, '--lifetime-max', none), 'USAGE'), /1 to 2\^40/)
  }
  const onChain = (file: string) => run(...judge, '--proof', file, '--rpc', NOBODY)
  await assertRefused(onChain(config), 'MALFORMED_TICKET_PROOF')
  await assertRefused(onChain(path('ticket.json')), 'MALFORMED_TICKET_PROOF')
  await assertRefused(onChain(path('proof.json')), 'OTHER_ISSUER', 1)
  const { component } = await readComponent(config, { kind: 'tickets' })
  const own = JSON.parse(encodeTicketProofFile(proofOf(component))) as { ticket: object; arguments: string }
  const spliced = { ...own, ticket: { ...own.ticket, notAfter: '9999999999' } }
  writeFileSync(path('spliced.json'), JSON.stringify(spliced))
  await assertRefused(onChain(path('spliced.json')), 'MALFORMED_TICKET_PROOF')
  writeFileSync(path('own.json'), JSON.stringify(own))
  await assertRefused(onChain(path('own.json')), 'RPC_UNREACHABLE')
  const other = ['--config', config, '--audience', ticket.audience, '--subject', `0x${'52'.repeat(20)}`, '--json']
  await assertRefused(
    run('verify', ...other, '--proof', path('own.json'), '--rpc', NOBODY),
    'TICKET_SUBJECT_MISMATCH',
    1,
  )
})
