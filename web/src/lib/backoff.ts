/**
 * Milliseconds to wait before try number `attempt` (0 = the first repeat): doubling from 1 s to at most 30 s, with up
 * to half of it taken away by chance, so that a restarted server is not met by everybody at once.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(30_000, 1000 * 2 ** Math.min(attempt, 10))
  return Math.round(whole * (1 - random() / 2))
}
