import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ComponentKind } from '../../../client/readComponent.ts'
import { applyEnvelope, createGenesis } from '../../../committee/execution.ts'
import { encodeAlmanacParameters } from '../../../protocol/wire/almanacParameters.ts'
import { encodeAtlasCommand } from '../../../protocol/wire/atlasCommand.ts'
import { encodeAtlasParameters } from '../../../protocol/wire/atlasParameters.ts'
import { encodeChronicleCommand } from '../../../protocol/wire/chronicleCommand.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { deriveStateRoot } from '../../../protocol/wire/stateTree.ts'
import { encodeTicketCommand } from '../../../protocol/wire/ticketCommand.ts'
import { encodeTicketIssuerParameters } from '../../../protocol/wire/ticketIssuerParameters.ts'
import { deriveTypehash, packWords, packWordsAndBytes } from '../../../protocol/wire/typedData.ts'
import { KINDS } from '../../../workers/member/kinds.ts'
import { component, signers, submitter } from './chronicle-of-tests.ts'

const cadence = { anchorEveryCommits: 4, anchorEverySeconds: 60 }
const submitters = [submitter.signer]
const parameters: Record<ComponentKind, Uint8Array> = {
  atlas: encodeAtlasParameters({ submitters, citizens: [], ...cadence }),
  almanac: encodeAlmanacParameters({ tickEveryMs: 1_000, ...cadence }),
  chronicle: encodeChronicleParameters({ submitters, ...cadence }),
  tickets: encodeTicketIssuerParameters({ issuers: submitters, heartbeatEverySeconds: 60, ...cadence }),
}

/** A command that each kind knows and no other does; an Almanac knows none. */
const own: Partial<Record<ComponentKind, Uint8Array>> = {
  atlas: encodeAtlasCommand({ kind: 'list', citizens: [] }),
  chronicle: encodeChronicleCommand({ kind: 'recordStatement', statement: Uint8Array.of(1) }),
  tickets: encodeTicketCommand({ kind: 'issue', ticketHash: `0x${'a1'.repeat(32)}`, notAfter: 2n ** 64n - 1n }),
}
const LATER = deriveTypehash('CommandOfALaterVersion(bytes content)')
const unknown: readonly [string, Uint8Array][] = [
  ['no bytes', new Uint8Array(0)],
  ['one byte', Uint8Array.of(1)],
  ['a word of zeros', new Uint8Array(32)],
  ['a typehash alone', packWords([LATER])],
  ['a command of a later version', packWordsAndBytes([LATER], new Uint8Array(100))],
  ['a mebibyte', new Uint8Array(1 << 20).fill(1)],
]

for (const [kind, { machine }] of Object.entries(KINDS) as [ComponentKind, (typeof KINDS)[ComponentKind]][])
  test(`${kind}: refuses commands of a kind that it does not know by its code, and the envelope with them`, () => {
    const members = signers.map((signer) => ({ signer }))
    const state = createGenesis(machine, { component, parameters: parameters[kind], members })
    const apply = (...commands: readonly Uint8Array[]) =>
      applyEnvelope(machine, {
        state,
        envelope: { component, submitter: submitter.signer, sequence: 1n, commands },
        context: { height: 1n, timestampMs: 1_000n },
      })
    const before = deriveStateRoot(machine.items(state.machine))
    const known = own[kind]
    const others = Object.entries(own).filter(([other]) => other !== kind)
    const code = kind === 'almanac' ? 'ALMANAC_TAKES_NO_COMMAND' : 'UNKNOWN_COMMAND'
    for (const [name, payload] of [...unknown, ...others]) {
      assert.throws(() => apply(payload), { code }, name)
      if (known !== undefined) assert.throws(() => apply(known, payload), { code }, `${name}, after one that is known`)
    }
    if (known !== undefined) assert.equal(apply(known).state.sequences.get(submitter.signer), 1n)
    assert.equal(deriveStateRoot(machine.items(state.machine)), before)
  })
