import type { Directive } from 'vue'

/**
 * Element Plus frames dialogs with `<header>` and `<footer>`, which then count as the banner and the content
 * information of the whole page (ARIA landmarks). On an element inside a dialog, this makes them plain boxes.
 */
export const vPlainFrame: Directive<HTMLElement> = {
  mounted(element) {
    element
      .closest('[role="dialog"]')
      ?.querySelectorAll('header, footer')
      .forEach((frame) => {
        frame.setAttribute('role', 'presentation')
      })
  },
}
