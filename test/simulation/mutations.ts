import type { Invariant } from './checker.ts'
import type { PlanOptions } from './plan.ts'
import type { Edit } from './plant.ts'

/** A fault planted in the source as the simulator loads it, and what must notice. */
export type Mutation = {
  name: string
  /** At every place that guards against it: the rules overlap on purpose, and one place alone would change nothing. */
  edits: readonly Edit[]
  caughtBy: Invariant
  /** What makes it likely to show; whatever is left open is drawn from the seed. */
  options: PlanOptions
  /** A seed that shows it, to begin with; as the simulation changes, a later one may. */
  from: number
  /** Seeds within which it has to. */
  seedsMax: number
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a quorum of n/2',
    edits: [
      {
        file: 'protocol/wire/committee.ts',
        from: 'return memberCount - Math.floor((memberCount - 1) / 3)',
        to: 'return Math.ceil(memberCount / 2)',
      },
    ],
    caughtBy: 'agreement',
    // A certificate of so few is noticed at once; two logs are what it leads to.
    options: { memberCount: 4, unchecked: ['certificate', 'extension', 'rotation'] },
    from: 27,
    seedsMax: 200,
  },
  {
    name: 'a lock released without a newer proof',
    edits: [
      {
        file: 'committee/rules.ts',
        from: 'state.locked !== null && state.locked.commitDigest !== commitDigest && state.locked.round > validRound',
        to: 'false as boolean',
      },
    ],
    caughtBy: 'lock',
    options: { memberCount: 4, faultKinds: ['liar'], malice: 0.9 },
    from: 59,
    seedsMax: 200,
  },
  {
    name: 'a vote sent before it is durable',
    edits: [
      {
        file: 'committee/transition.ts',
        from: "effects.push({ kind: 'persist', record: { message, lock } }, { kind: 'broadcast', message })",
        to: "effects.push({ kind: 'broadcast', message }, { kind: 'persist', record: { message, lock } })",
      },
    ],
    caughtBy: 'contradiction',
    options: { memberCount: 4, crashRatio: 0.04, unchecked: ['durable', 'halt', 'evidence'] },
    from: 9,
    seedsMax: 400,
  },
  {
    name: 'a certificate that mixes rounds',
    edits: [
      {
        file: 'committee/rules.ts',
        from: 'if (value === null || !hasQuorum(t.state, roundState.precommits, value.proposal.commitDigest)) continue',
        to: `const mixed = new Map([...t.state.rounds.values()].flatMap(({ precommits }) => [...precommits]))
    if (value === null || !hasQuorum(t.state, mixed, value.proposal.commitDigest)) continue`,
      },
      {
        file: 'committee/rules.ts',
        from: 'const signatures = gatherSignatures(roundState.precommits, commitDigest)\n    const certificate',
        to: 'const signatures = gatherSignatures(mixed, commitDigest)\n    const certificate',
      },
    ],
    caughtBy: 'certificate',
    options: { memberCount: 4 },
    from: 1,
    seedsMax: 400,
  },
  {
    name: 'a commit accepted without its parent',
    edits: [{ file: 'committee/receive.ts', from: 'proposal.parent !== parent.commitDigest || ', to: '' }],
    caughtBy: 'parent',
    options: { memberCount: 4, faultKinds: ['liar'], malice: 0.9 },
    from: 15,
    seedsMax: 400,
  },
  {
    name: 'a timestamp that goes back',
    edits: [
      { file: 'committee/receive.ts', from: ' || proposal.timestampMs <= parent.timestampMs', to: '' },
      {
        file: 'committee/execution.ts',
        from: "if (timestampMs <= state.timestampMs) throw new BatchRefusedError({ reason: 'its time does not advance' })",
        to: '',
      },
    ],
    caughtBy: 'timestamp',
    options: { memberCount: 4, faultKinds: ['liar'], malice: 0.9 },
    from: 40,
    seedsMax: 400,
  },
  {
    name: 'an extension accepted from another round',
    edits: [{ file: 'committee/extension.ts', from: 'extension.round === first!.round &&', to: '' }],
    caughtBy: 'extension',
    options: { memberCount: 4, faultKinds: ['liar'], malice: 0.9, hasExtensions: true },
    from: 17,
    seedsMax: 400,
  },
  {
    name: 'an epoch’s certificate accepted after its end',
    edits: [
      {
        file: 'committee/step.ts',
        from: "if (commit.epoch !== state.committee.epoch) refuse('it is of another epoch')",
        to: '',
      },
    ],
    caughtBy: 'epoch',
    options: { memberCount: 4, faultKinds: ['liar'], rotationCount: 1, replacesAll: true, leaksOldKeys: true },
    from: 2,
    seedsMax: 200,
  },
  {
    name: 'a rotation that too few approve',
    edits: [{ file: 'committee/governance.ts', from: 'count < quorumOf(members.length)', to: 'count < 2' }],
    caughtBy: 'rotation',
    options: { memberCount: 4, rotationCount: 1 },
    from: 1,
    seedsMax: 100,
  },
  {
    name: 'approvals of different things that add up',
    edits: [
      { file: 'committee/governance.ts', from: '.filter((approved) => isEqualBytes(approved, payload))', to: '' },
    ],
    caughtBy: 'rotation',
    options: { memberCount: 4, faultKinds: ['liar'], malice: 0.9, rotationCount: 1 },
    from: 2,
    seedsMax: 100,
  },
  {
    name: 'an envelope after the approval that ends the epoch',
    edits: [
      {
        file: 'committee/execution.ts',
        from: "if (end !== undefined) throw new BatchRefusedError({ reason: 'an envelope follows the one that ends the epoch' })",
        to: '',
      },
      { file: 'workers/member/pool.ts', from: 'isEnd = applied.end !== undefined', to: 'isEnd = false' },
    ],
    caughtBy: 'rotation',
    options: { memberCount: 4, rotationCount: 1, batchMax: 3 },
    from: 4,
    seedsMax: 200,
  },
  {
    name: 'a decision accepted after the retirement',
    edits: [
      { file: 'committee/transition.ts', from: "if (commit.next !== ZERO_BYTES32) state.status = 'ended'", to: '' },
    ],
    caughtBy: 'retired',
    options: { memberCount: 4, faultKinds: ['liar'], rotationCount: 0, isRetiring: true, leaksOldKeys: true },
    from: 5,
    seedsMax: 100,
  },
  {
    name: 'a prevote for a batch not executed',
    edits: [
      {
        file: 'committee/rules.ts',
        from: "if (execution === undefined || execution.status === 'pending') return false",
        to: `if (execution === undefined || execution.status === 'pending') {
    castPrevote(t, commitDigest)
    return true
  }`,
      },
    ],
    caughtBy: 'executed',
    options: { memberCount: 4 },
    from: 1,
    seedsMax: 100,
  },
  {
    name: 'a restored backup that votes',
    edits: [
      {
        file: 'committee/handshake.ts',
        from: 'signers.includes(self) ? quorumOf(signers.length) - 1 : 0',
        to: 'signers.includes(self) && signers.length === 0 ? quorumOf(signers.length) - 1 : 0',
      },
    ],
    caughtBy: 'restored',
    options: { memberCount: 4, faultKinds: ['restored'] },
    from: 1,
    seedsMax: 200,
  },
]

/** With one liar more than a committee bears, two logs must come about: the checks can fail. */
export const TOO_MANY_LIARS: PlanOptions = { memberCount: 4, excessLiars: 1, malice: 0.9, rotationCount: 0 }
