/** What the browser remembers for us. Storage may be blocked or full, so every access may fail quietly. */

const PREFIX = 'onetake.'

/** The stored text, or null when there is none or storage is blocked. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key)
  } catch {
    return null
  }
}

/** Stores `value`, or removes the entry when it is null. */
export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key)
    else localStorage.setItem(PREFIX + key, value)
  } catch {
    // The choice then lasts as long as the page.
  }
}
