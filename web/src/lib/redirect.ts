/**
 * The path to go to after sign-in: a path of this application, never another site (CWE-601).
 * Anything that a browser could read as another origin becomes `/`.
 */
export function safeRedirect(wanted: unknown): string {
  if (typeof wanted !== 'string' || !wanted.startsWith('/')) return '/'
  const origin = 'http://here.invalid'
  try {
    const url = new URL(wanted, origin)
    return url.origin === origin && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : '/'
  } catch {
    return '/'
  }
}
