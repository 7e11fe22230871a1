import { createLogReader } from '../../client/logReader.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import type { AdmissionRule } from '../../protocol/tickets/admissionRules.ts'
import { InvalidSettingError, type IssuerSetting, type MemberSettings } from '../runtime/config.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Issuer } from './issuers.ts'

/**
 * The issuers that rules of class issued-by name, as the operator's ISSUERS lead to them. A rule has the tickets root, which
 * folds the issuer's coalition and genesis committee (spec §3): a config that derives to the same root gives the component key,
 * whoever wrote it. Where that component is at home no root says, so that is the config's word.
 *
 * @throws {InvalidSettingError} no rule asks for tickets of a config's issuer, or its home is not this component's chain; or
 *   there is no chain to ask.
 * @throws what `readComponent` throws of a config.
 */
export async function readIssuers(
  { ISSUERS, RPC_URLS }: Pick<MemberSettings, 'ISSUERS' | 'RPC_URLS'>,
  { rules, home, logger }: { rules: readonly AdmissionRule[]; home: Component['home']; logger: Logger },
): Promise<Issuer[]> {
  if (ISSUERS.length > 0 && RPC_URLS === undefined) {
    throw new InvalidSettingError({
      setting: 'RPC_URLS',
      reason: 'it is missing, and ISSUERS are held against the chain',
    })
  }
  const asked = rules.filter((rule) => rule.class === 'issued-by')
  const issuers = await Promise.all(ISSUERS.map((setting) => readIssuer(setting, { home })))
  const unwanted = issuers.findIndex(
    ({ ticketsRoot, signers }) =>
      !asked.some((rule) => rule.ticketsRoot === ticketsRoot && rule.signers.join() === signers.join()),
  )
  if (unwanted >= 0) {
    const reason = `no rule asks for tickets of the issuer and genesis committee of ${ISSUERS[unwanted]!.config}`
    throw new InvalidSettingError({ setting: 'ISSUERS', reason })
  }
  for (const { ticketsRoot } of asked) {
    if (issuers.some((issuer) => issuer.ticketsRoot === ticketsRoot)) continue
    // A member of the current epoch works without: it admits nobody new (spec §8.2).
    logger.warn({ ticketsRoot, setting: 'ISSUERS' }, 'nothing says whose tickets these are: none of them admits a peer')
  }
  return issuers.map(({ signers: _, ...issuer }) => issuer)
}

async function readIssuer(
  { config, urls }: IssuerSetting,
  { home }: { home: Component['home'] },
): Promise<Issuer & Pick<Component, 'signers'>> {
  const issuer = await readComponent(config, { kind: 'tickets' })
  const { coalition, component, signers, home: own } = issuer
  if (own.chainId !== home.chainId) {
    const reason = `the issuer of ${config} is at home on chain ${own.chainId}, and RPC_URLS are of chain ${home.chainId}`
    throw new InvalidSettingError({ setting: 'ISSUERS', reason })
  }
  const logs = urls.map((url) => createLogReader({ url, of: issuer }))
  return { ticketsRoot: coalition.ticketIssuerRoot()!, component, registry: own.registry, logs, signers }
}
