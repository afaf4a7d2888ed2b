/** What happens when something in the page itself fails. */
import type { App } from 'vue'

const RELOADED_AT = 'onetake.reloaded-at'
const AGAIN_MS = 30_000

/**
 * After an update of the server the page may ask for files that are gone; a reload brings the new ones. Once: if that
 * does not help within half a minute, the files are really missing.
 */
export function reloadOnce(reload: () => void, nowMs: number = Date.now()): boolean {
  const before = Number(sessionStorage.getItem(RELOADED_AT) ?? 0)
  if (nowMs - before < AGAIN_MS) return false
  sessionStorage.setItem(RELOADED_AT, String(nowMs))
  reload()
  return true
}

/** Tells the reader about faults of the page instead of leaving them with a dead button. */
export function guardPage(app: App, tell: (error: unknown) => void): void {
  app.config.errorHandler = (error) => {
    reportError(error)
    tell(error)
  }
  window.addEventListener('vite:preloadError', (event) => {
    const reloading = reloadOnce(() => {
      location.reload()
    })
    if (reloading) event.preventDefault()
  })
}
