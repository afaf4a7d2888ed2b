/** Colour of a share in use: calm, from 85 % on a warning, from 95 % a danger. */
export function toneOf(percent: number): 'brand' | 'warning' | 'danger' {
  if (percent >= 95) return 'danger'
  return percent >= 85 ? 'warning' : 'brand'
}
