import { parseArgs } from 'node:util'
import type { Figure } from './measure.ts'

/** What can be measured, each loaded only when asked for. */
const SUITES: Record<string, (options: { minutes?: number }) => Promise<Figure[]>> = {
  attestation: async () => (await import('./attestation.ts')).benchAttestation(),
  chronicle: async () => (await import('./chronicle.ts')).benchChronicle(),
  committee: async (options) => (await import('./committee.ts')).benchCommittee(options),
  dcap: async () => (await import('./dcap.ts')).benchDcap(),
  identity: async () => (await import('./identity.ts')).benchIdentity(),
  gas: async () => (await import('./gas.ts')).benchGas(),
  log: async () => (await import('./log.ts')).benchLog(),
  tickets: async () => (await import('./tickets.ts')).benchTickets(),
}

const { values, positionals: asked } = parseArgs({
  // --minutes: how long the committee is under load, so that its memory can be judged; without it some seconds.
  options: { json: { type: 'boolean' }, minutes: { type: 'string' } },
  allowPositionals: true,
})
const options = values.minutes === undefined ? {} : { minutes: Number(values.minutes) }
const names = asked.length > 0 ? asked : Object.keys(SUITES)
const unknown = names.filter((name) => !Object.hasOwn(SUITES, name))

if (options.minutes !== undefined && !(options.minutes > 0 && options.minutes <= 600)) {
  console.error('bench: --minutes takes a number above 0 and up to 600')
  process.exitCode = 2
} else if (unknown.length > 0) {
  console.error(`bench: no suite ${unknown.join(', ')}; there are ${Object.keys(SUITES).join(', ')}`)
  process.exitCode = 2
} else {
  const figures: Figure[] = []
  for (const name of names) figures.push(...(await SUITES[name]!(options)))
  console.log(values.json ? JSON.stringify(figures, null, 2) : toTable(figures))
}

function toTable(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ name }) => name.length))
  const format = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 4 })
  return figures
    .map(({ name, value, unit }) => `${name.padEnd(width)}  ${format(value).padStart(9)} ${unit}`)
    .join('\n')
}
