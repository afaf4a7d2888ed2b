import type { Tone } from './message'

/** Shows a short line on top of the page. Its parts are loaded with the first one: most visits never see any. */
export function notify(tone: Tone, text: string): void {
  void import('./message').then(({ showMessage }) => {
    showMessage(tone, text)
  })
}
