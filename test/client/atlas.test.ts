import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Atlas } from '../../client/atlas.ts'
import { signCard } from '../../client/atlasPublisher.ts'
import { createLogReader } from '../../client/logReader.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { hashCard } from '../../protocol/wire/citizenCard.ts'
import { isStateItemUnder } from '../../protocol/wire/stateTree.ts'
import { startLiar } from '../workers/member/syncWorld.ts'
import {
  type AtlasWorld,
  cardOf,
  citizens,
  lattice,
  latticeKey,
  organism,
  organismKey,
  startAtlasWorld,
  strangerKey,
  submitter,
} from './atlasWorld.ts'

/** The tests below go through the life of one directory, in their order. */
let world: AtlasWorld
before(async () => {
  world = await startAtlasWorld()
})
after(() => world.stop())

const refusedWith = (code: string) => (error: Error) =>
  `${(error as { code?: string }).code}: ${error.message}`.includes(code)

test('Atlas.publish: a lattice brings its own card, and a submitter an organism’s, each with a proven acknowledgement', async () => {
  const [own, brought] = await Promise.all([
    world.openPublisher(latticeKey),
    world.openPublisher(submitter, { cardKey: organismKey }),
  ])
  const first = await own.publish(cardOf(lattice))
  assert.equal(first.envelope.sequence, 1n)
  assert.ok(first.verified.commit.height > 0n)
  await brought.publish(cardOf(organism))
  // Two at once take their turns, and the second does not need a state to know what the first signed.
  await Promise.all([own.publish(cardOf(lattice)), own.publish({ ...cardOf(lattice), schemaVersion: 2 })])
  await Promise.all([own.close(), brought.close()])
})

test('Atlas.read: proves every card under the certified state root', async () => {
  const height = await world.mark()
  const { atlas, logs } = world
  const { basis, citizens: found } = await Atlas.read({ atlas, logs }).readCatalogue()
  assert.equal(basis.commit.commit.height, height)
  assert.equal(basis.head, undefined)
  assert.deepEqual(
    found.map(({ citizen, seat }) => [citizen, seat]),
    [
      [lattice, { cardSigner: latticeKey.signer, isListed: true, sequence: 3n }],
      [organism, { cardSigner: organismKey.signer, isListed: true, sequence: 1n }],
    ],
  )
  assert.deepEqual(found[0]!.card?.card, {
    ...cardOf(lattice),
    atlas: atlas.component,
    schemaVersion: 2,
    sequence: 3n,
  })
  for (const { card, seatProof } of found) {
    assert.ok(isStateItemUnder(basis.commit.commit.state, card!))
    assert.ok(isStateItemUnder(basis.commit.commit.state, seatProof))
  }
})

test('Atlas.read: with the chain, a contract takes each proof, and refuses another card and an old head', async () => {
  const { atlas, logs, chain, registry } = world
  const reader = Atlas.read({ atlas, logs, chain })
  await assert.rejects(reader.readCatalogue(), { code: 'NOT_ANCHORED_STATE' })
  const own = await world.openPublisher(latticeKey)
  await own.update(lattice, { endpoints: ['https://moved.example/rpc'] })
  const head = await world.anchor()
  const { card, basis, seatProof } = await reader.readCitizen(lattice)
  assert.deepEqual(basis.head, head)
  assert.deepEqual(card?.card.endpoints, ['https://moved.example/rpc'])
  const { component } = atlas
  const maxAgeMs = 600_000n
  await registry.verifyStateItem({ component, head, maxAgeMs, ...card! })
  await registry.verifyStateItem({ component, head, maxAgeMs, ...seatProof })
  const forged = { ...card!.item, value: hashCard({ ...card!.card, endpoints: ['https://forged.example/rpc'] }) }
  await assert.rejects(
    registry.verifyStateItem({ component, head, maxAgeMs, item: forged, proof: card!.proof }),
    refusedWith('ComponentRegistryItemNotInState'),
  )
  await own.withdraw({ citizen: lattice })
  const next = await world.anchor()
  await assert.rejects(
    registry.verifyStateItem({ component, head, maxAgeMs, ...card! }),
    refusedWith('ComponentRegistryNotNewest'),
  )
  await assert.rejects(
    registry.verifyStateItem({ component, head: next, maxAgeMs, ...card! }),
    refusedWith('ComponentRegistryItemNotInState'),
  )
  assert.equal((await reader.readCitizen(lattice)).card, undefined)
  await assert.rejects(own.update(lattice, {}), { code: 'NO_CARD' })
  await own.close()
})

test('Atlas.publish: members refuse what is stale, forged, another Atlas’s, a stranger’s or of no citizen', async () => {
  const { atlas } = world
  const [own, stranger, carrier] = await Promise.all([
    world.openPublisher(latticeKey),
    world.openPublisher(strangerKey),
    world.openPublisher(submitter),
  ])
  const stale = own.publish({ ...cardOf(lattice), sequence: 1n })
  await assert.rejects(stale, refusedWith('CARD_STALE'))
  await assert.rejects(stranger.publish({ ...cardOf(lattice), sequence: 99n }), refusedWith('ATLAS_SUBMITTER_REFUSED'))
  const forged = signCard({ ...cardOf(lattice), atlas: atlas.component, sequence: 99n }, strangerKey.secretKey)
  await assert.rejects(carrier.bring(forged), refusedWith('CARD_FORGED'))
  const elsewhere = signCard({ ...cardOf(lattice), atlas: `0x${'ee'.repeat(32)}`, sequence: 99n }, latticeKey.secretKey)
  await assert.rejects(carrier.bring(elsewhere), refusedWith('CARD_ELSEWHERE'))
  const nobody: Hex = `0x${'dd'.repeat(32)}`
  const unknown = signCard(
    { ...cardOf(lattice), citizen: nobody, atlas: atlas.component, sequence: 1n },
    strangerKey.secretKey,
  )
  await assert.rejects(carrier.bring(unknown), refusedWith('CITIZEN_UNKNOWN'))
  await assert.rejects(own.list(citizens), refusedWith('ATLAS_SUBMITTER_REFUSED'))
  assert.throws(() => signCard({ ...cardOf(lattice), atlas: atlas.component, sequence: 0n }, latticeKey.secretKey), {
    code: 'CARD_MALFORMED',
  })
  await Promise.all([own.close(), stranger.close(), carrier.close()])
})

test('Atlas.publish: a changed key speaks for its citizen from then on, and a list takes a citizen out', async () => {
  const { atlas, logs } = world
  const [own, heir, carrier] = await Promise.all([
    world.openPublisher(organismKey),
    world.openPublisher(strangerKey),
    world.openPublisher(submitter),
  ])
  await own.changeKey({ citizen: organism, cardSigner: strangerKey.signer })
  await assert.rejects(own.publish({ ...cardOf(organism), sequence: 50n }), refusedWith('ATLAS_SUBMITTER_REFUSED'))
  await heir.publish({ ...cardOf(organism), sequence: 50n })
  await carrier.list([{ citizen: organism, cardSigner: strangerKey.signer }])
  await world.mark()
  const reader = Atlas.read({ atlas, logs })
  const left = await reader.readCitizen(lattice)
  assert.deepEqual([left.seat.isListed, left.card], [false, undefined])
  const { seat, card } = await reader.readCitizen(organism)
  assert.deepEqual(seat, { cardSigner: strangerKey.signer, isListed: true, sequence: 50n })
  assert.equal(card?.card.sequence, 50n)
  await assert.rejects(reader.readCitizen(`0x${'dd'.repeat(32)}`), { code: 'NOT_IN_ATLAS' })
  await Promise.all([own.close(), heir.close(), carrier.close()])
})

test('Atlas.read: believes no log, and reads from the next', async (t) => {
  const { atlas, urls } = world
  const read = (url: string, ...others: string[]) =>
    Atlas.read({ atlas, logs: [url, ...others].map((each) => createLogReader({ url: each })) }).readCatalogue()
  const truth = await read(urls[0]!)
  const lies: [string, Parameters<typeof startLiar>[1]][] = [
    ['STATE_UNPROVEN', (path) => (path.startsWith('snapshot/') ? 'no state' : undefined)],
    ['NOT_IN_LOG', (path) => (path.startsWith('snapshot/') ? (response) => response.writeHead(404).end() : undefined)],
    [
      'CERTIFICATE_REFUSED',
      async (path, honest) =>
        path === 'commit/anchor'
          ? String(Buffer.from(await honest())).replace(/"logSize":"\d/, '"logSize":"7')
          : undefined,
    ],
  ]
  for (const [code, lie] of lies) {
    const liar = await startLiar(urls[0]!, lie)
    t.after(liar.close)
    await assert.rejects(read(liar.url), { code })
    // Members may hold different quorums' certificates of one commit.
    const { citizens: found, basis } = await read(liar.url, urls[1]!)
    assert.deepEqual([found, basis.commit.commit], [truth.citizens, truth.basis.commit.commit])
  }
})
