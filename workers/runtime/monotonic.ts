/** Says for how long, however the process's clock is set meanwhile; from any beginning, so it is no time of anything. */
export const MONOTONIC = { nowMs: (): number => performance.now() }
