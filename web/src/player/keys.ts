/** The keyboard: the keys that people know from other video sites. */

export type Act =
  | { do: 'toggle' | 'mute' | 'fullscreen' | 'captions' | 'picture' | 'statistics' | 'end' }
  | { do: 'skip'; seconds: number }
  | { do: 'louder'; by: number }
  | { do: 'part'; tenth: number }
  | { do: 'speed'; steps: number }

const KEYS: Readonly<Record<string, Act>> = {
  ' ': { do: 'toggle' },
  k: { do: 'toggle' },
  ArrowLeft: { do: 'skip', seconds: -5 },
  ArrowRight: { do: 'skip', seconds: 5 },
  j: { do: 'skip', seconds: -10 },
  l: { do: 'skip', seconds: 10 },
  ArrowUp: { do: 'louder', by: 0.05 },
  ArrowDown: { do: 'louder', by: -0.05 },
  m: { do: 'mute' },
  f: { do: 'fullscreen' },
  c: { do: 'captions' },
  p: { do: 'picture' },
  s: { do: 'statistics' },
  '<': { do: 'speed', steps: -1 },
  '>': { do: 'speed', steps: 1 },
  Home: { do: 'part', tenth: 0 },
  End: { do: 'end' },
}

export interface Press {
  key: string
  ctrlKey: boolean
  altKey: boolean
  metaKey: boolean
}

/** What a key means; null when it means nothing to a player. */
export function actOf(press: Press): Act | null {
  if (press.ctrlKey || press.altKey || press.metaKey) return null
  if (/^[0-9]$/.test(press.key)) return { do: 'part', tenth: Number(press.key) }
  return KEYS[press.key] ?? KEYS[press.key.toLowerCase()] ?? null
}

const TYPING = 'input:not([type=radio]):not([type=range]), textarea, select, [contenteditable=true], [role=textbox]'

/** Whether a key pressed on `target` belongs to that element and not to the player. */
export function belongsToElement(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof Element)) return false
  if (target.closest(TYPING)) return true
  if (key === ' ' || key === 'Enter') return target.closest('button, a, summary, input') !== null
  return key.startsWith('Arrow') || key === 'Home' || key === 'End'
    ? target.closest('input, [role=radiogroup], [role=menu], [role=listbox]') !== null
    : false
}

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3] as const

/** The speed that is `steps` further in the list. */
export function speedAfter(speed: number, steps: number): number {
  const at = SPEEDS.findIndex((entry) => entry >= speed)
  return SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, (at < 0 ? SPEEDS.length - 1 : at) + steps))] ?? 1
}
