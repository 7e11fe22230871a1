const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const
/** From 1 March of the year 0 to 1970-01-01, in the Gregorian calendar. */
const DAYS_TO_1970 = 719_468

/**
 * Milliseconds since 1970 of a time in UTC, or `undefined` where the calendar has no such time: `Date` would roll 31 April
 * over into May, and times in certificates and collateral must mean what they say.
 */
export function toUtcMs(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= DAYS[month - 1]!)) return undefined
  if (month === 2 && day === 29 && !isLeap) return undefined
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return undefined
  // Years that begin in March end in the leap day, so that the days before each month are a formula; `Date.UTC` takes longer than all else here.
  const marchYear = month > 2 ? year : year - 1
  const marchMonth = (month + 9) % 12
  const yearDays =
    365 * marchYear + Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  const days = yearDays + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - DAYS_TO_1970
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000
}
