import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPONENT_KINDS, readComponent, requireAdmissionRules, resolveComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { defineCoalition } from '../../protocol/identity/coalition.ts'
import type { CoalitionFile } from '../../protocol/identity/configFile.ts'
import { encodeLogOrigin } from '../../protocol/log/logOrigin.ts'
import { encodeAlmanacParameters } from '../../protocol/wire/almanacParameters.ts'
import { encodeAtlasParameters } from '../../protocol/wire/atlasParameters.ts'
import { encodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import { encodeTicketIssuerParameters } from '../../protocol/wire/ticketIssuerParameters.ts'

const account = (byte: string): Hex => `0x${byte.repeat(20)}`
const cadence = { anchorEveryCommits: 16, anchorEverySeconds: 60 }
const members = [{ signer: account('aa'), noteKey: `0x${'4b'.repeat(32)}` }, { signer: account('bb') }] as const
const home = { chainId: 31337, registry: account('cc') }
const parameters = {
  atlas: {
    submitters: [account('aa')],
    citizens: [{ citizen: `0x${'c0'.repeat(32)}`, cardSigner: account('ab') }],
    ...cadence,
  },
  almanac: { tickEveryMs: 1000, ...cadence },
  chronicle: { submitters: [account('aa')], ...cadence },
  tickets: { issuers: [account('aa')], ...cadence, heartbeatEverySeconds: 600 },
} as const
const encoded = {
  atlas: encodeAtlasParameters(parameters.atlas),
  almanac: encodeAlmanacParameters(parameters.almanac),
  chronicle: encodeChronicleParameters(parameters.chronicle),
  tickets: encodeTicketIssuerParameters(parameters.tickets),
}
const { atlas, almanac, chronicle, tickets } = parameters
const file: CoalitionFile = {
  schemaVersion: 1,
  name: 'ethereum.superchain',
  home,
  modules: {
    atlas: { members, parameters: atlas },
    almanac: { members, parameters: almanac },
    chronicle: { members, parameters: chronicle },
  },
  ticketIssuer: { name: 'superchain.tickets', members, parameters: tickets },
}

test('resolveComponent: gives each component of a config its own key, and what it was told', () => {
  const coalition = defineCoalition(file)
  const resolved = COMPONENT_KINDS.map((kind) => resolveComponent(coalition, { kind }))
  assert.deepEqual(
    resolved.map(({ component, componentId }) => [component, componentId]),
    [coalition.atlas(), coalition.almanac(), coalition.chronicle(), coalition.ticketIssuer].map((config) => [
      config!.componentKey(),
      config!.componentId(),
    ]),
  )
  assert.equal(new Set(resolved.map(({ component }) => component)).size, COMPONENT_KINDS.length)
  for (const { kind, ...component } of resolved) {
    assert.deepEqual(component.parameters, encoded[kind])
    assert.deepEqual(component.home, { chainId: 31337n, registry: home.registry })
    assert.deepEqual(component.signers, [account('aa'), account('bb')])
    assert.equal(component.origin, encodeLogOrigin(component.component))
  }
})

const { almanac: _almanac, ...others } = file.modules!
const hash: Hex = `0x${'c0'.repeat(32)}`
const REFUSALS = [
  ['no such module', 'almanac', { ...file, modules: others }, 'modules.almanac is'],
  ['no issuer', 'tickets', { ...file, ticketIssuer: undefined }, 'ticketIssuer is'],
  [
    'the hash of its committee alone',
    'atlas',
    { ...file, modules: { atlas: { committee: hash, parameters: atlas } } },
    'modules.atlas.members is',
  ],
  [
    'the hash of its parameters alone',
    'atlas',
    { ...file, modules: { atlas: { members, contentHash: hash } } },
    'modules.atlas.parameters is',
  ],
  [
    'an issuer without parameters',
    'tickets',
    { ...file, ticketIssuer: { name: 'a', members } },
    'ticketIssuer.parameters is',
  ],
  ['an issuer without a home', 'tickets', { ...file, modules: {}, home: undefined }, 'home is'],
] as const

for (const [name, kind, config, missing] of REFUSALS)
  test(`resolveComponent: refuses ${name}`, () => {
    assert.throws(() => resolveComponent(defineCoalition(config as CoalitionFile), { kind }), {
      code: 'NO_COMPONENT',
      message: `The config does not spell out this component: ${missing} missing.`,
    })
  })

test('readComponent: refuses a file that is not there', async () => {
  await assert.rejects(readComponent('/no/such/coalition.json', { kind: 'atlas' }), { code: 'UNREADABLE_INPUT' })
})

test('requireAdmissionRules: no rules where anyone is admitted, and refuses their signature alone', () => {
  const [open, gated] = [{}, { validators: hash }].map((changes) =>
    resolveComponent(
      defineCoalition({ ...file, modules: { chronicle: { members, parameters: chronicle, ...changes } } }),
      { kind: 'chronicle' },
    ),
  )
  assert.deepEqual(requireAdmissionRules(open!), [])
  assert.throws(() => requireAdmissionRules(gated!), { code: 'ADMISSION_RULES_MISSING' })
})
