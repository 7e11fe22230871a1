import type { Chain } from '../../chain/connectChain.ts'
import { type ComponentFact, type FollowComponentsParameters, followComponents } from '../../chain/followComponents.ts'
import { ReorgTooDeepError } from '../../chain/followLogs.ts'
import type { Head } from '../../chain/head.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { CoalitionConfig } from '../../protocol/identity/coalition.ts'

/** A component as the config names it. */
export type NamedComponent = { kind: 'module' | 'tickets' | 'confluence'; name: string; component: Hex }

/** What the registry says of it. */
export type ComponentView = NamedComponent & {
  /** The newest head that counts; undefined where nobody registered it. A ticket issuer's issuance root is its `logRoot`. */
  confirmed: Head | undefined
  /** The newest head in any block: a reorganisation may take it back. */
  newest: Head | undefined
  /** Its last word, once it counts. */
  retirement: { successor: Hex; effectiveHeight: bigint; reason: string } | undefined
}

/** The registry as far as it was followed; all of it is derived, and rebuilt from events at each start. */
export type RegistryView = {
  /**
   * Looks at the chain. What a reorganisation removed is taken back.
   *
   * @throws {ReorgTooDeepError} what counted as final was replaced: everything was forgotten, and the next look rebuilds it.
   */
  poll(): Promise<void>
  /** In ascending order of component key. */
  list(): readonly ComponentView[]
  find(component: Hex): ComponentView | undefined
}

/** Every component that a config names. */
export const listComponents = (coalition: CoalitionConfig): NamedComponent[] => [
  ...coalition.modules().map((each) => ({ kind: 'module', name: each.name, component: each.componentKey() }) as const),
  ...(coalition.ticketIssuer === undefined
    ? []
    : [
        {
          kind: 'tickets',
          name: coalition.ticketIssuer.name,
          component: coalition.ticketIssuer.componentKey(),
        } as const,
      ]),
  ...coalition.confluences.map(
    (each) => ({ kind: 'confluence', name: each.name, component: each.componentKey() }) as const,
  ),
]

export function createRegistryView(
  { chain }: { chain: Chain },
  { named, ...following }: Omit<FollowComponentsParameters, 'components'> & { named: readonly NamedComponent[] },
): RegistryView {
  const components = named.map(({ component }) => component)
  const start = () => followComponents(chain, { ...following, components })
  let look = start()
  /** What counts, by component: one head and perhaps a retirement. */
  let confirmed = new Map<Hex, Pick<ComponentView, 'confirmed' | 'retirement'>>()
  /** What does not count yet, in order. */
  let pending: ComponentFact[] = []
  let views = new Map<Hex, ComponentView>()
  project()

  function project(): void {
    const sorted = [...named].sort((a, b) => (a.component < b.component ? -1 : 1))
    views = new Map(
      sorted.map((each) => {
        const counted = confirmed.get(each.component) ?? { confirmed: undefined, retirement: undefined }
        const newest = pending.findLast((fact) => fact.kind !== 'retired' && fact.component === each.component)
        return [
          each.component,
          { ...each, ...counted, newest: newest && 'head' in newest ? newest.head : counted.confirmed },
        ]
      }),
    )
  }

  function count(fact: ComponentFact): void {
    const before = confirmed.get(fact.component) ?? { confirmed: undefined, retirement: undefined }
    if (fact.kind !== 'retired') {
      confirmed.set(fact.component, { ...before, confirmed: fact.head })
      return
    }
    const { successor, effectiveHeight, reason } = fact
    confirmed.set(fact.component, { ...before, retirement: { successor, effectiveHeight, reason } })
  }

  return {
    async poll() {
      try {
        for (const { kind, fact } of await look()) {
          if (kind === 'seen') pending.push(fact)
          else pending = pending.filter((each) => each !== fact)
          if (kind === 'confirmed') count(fact)
        }
      } catch (error) {
        if (error instanceof ReorgTooDeepError) {
          look = start()
          confirmed = new Map()
          pending = []
        }
        throw error
      } finally {
        project()
      }
    },
    list: () => [...views.values()],
    find: (component) => views.get(component),
  }
}
