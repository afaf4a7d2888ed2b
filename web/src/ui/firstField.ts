import { nextTick } from 'vue'

const FIELDS = ['input:not([type=hidden])', 'textarea', 'select'].map((tag) => `form ${tag}:not(:disabled, [tabindex="-1"])`).join()

/**
 * Begins at the first field of a form in a dialog that has just opened; where a finger would get a keyboard over half of
 * the dialog, nothing is done.
 */
export async function focusFirstField(body: HTMLElement | null): Promise<void> {
  if (window.matchMedia('(pointer: coarse)').matches) return
  // Element Plus gives the focus to the frame one tick after it tells of the opening.
  await nextTick()
  await nextTick()
  body?.querySelector<HTMLElement>(FIELDS)?.focus()
}
