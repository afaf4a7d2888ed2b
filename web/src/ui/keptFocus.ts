import { nextTick, onBeforeUnmount, onMounted, type Ref } from 'vue'

/** Where the focus was, as far as it can be found again. */
export interface Place {
  element: Element
  /** `data-test` of the element. */
  name: string | null
  /** `data-row` of its row, and how many rows stand before it. */
  row: string | null
  index: number
}

const USABLE = ':is(button, a[href], input):not(:disabled, [tabindex="-1"])'

function placeOf(element: Element): Place {
  const row = element.closest('tr')
  return { element, name: element.getAttribute('data-test'), row: row?.getAttribute('data-row') ?? null, index: row?.sectionRowIndex ?? 0 }
}

const isLost = (): boolean => document.activeElement === null || document.activeElement === document.body
const isUsable = (element: Element): boolean => element.isConnected && !element.matches(':disabled')

/** First thing to press in an element. */
export const firstUsable = (within: Element | null | undefined): HTMLElement | null => within?.querySelector<HTMLElement>(USABLE) ?? null

/** In a table: the same button of the row, or of the one that took its place; else another one there. */
export function inTable(root: HTMLElement, { row, index, name }: Place): HTMLElement | null {
  const rows = [...root.querySelectorAll<HTMLElement>('tbody tr')]
  const next = rows.find((other) => other.dataset['row'] === row) ?? rows[index] ?? rows.at(-1)
  if (!next) return null
  const same = name === null ? null : next.querySelector<HTMLElement>(`[data-test="${name}"]:not(:disabled)`)
  return same ?? firstUsable(next.lastElementChild) ?? firstUsable(next)
}

/** Gives the focus to the title of the page, for want of something nearer. */
export function focusTitle(title: HTMLElement | null = document.querySelector('h1')): void {
  title?.setAttribute('tabindex', '-1')
  title?.focus({ preventScroll: true })
}

/**
 * Keeps the focus near when the button that had it goes away, because it has done its work: `find` says what takes its
 * place in `root`. When all of `root` goes and the page stays, it is the title of the page.
 */
export function useKeptFocus(root: Readonly<Ref<HTMLElement | null>>, find: (root: HTMLElement, place: Place) => HTMLElement | null): void {
  let last: Place | null = null

  function follow({ target }: Event): void {
    last = target instanceof Element && root.value?.contains(target) ? placeOf(target) : null
  }
  /** Whoever presses on something else has left by themselves. */
  function leave({ target }: Event): void {
    if (target instanceof Node && !last?.element.contains(target)) last = null
  }
  function restore(): void {
    if (!last || !root.value || !isLost()) return
    // A button that is disabled while it works: what becomes of it will be seen.
    if (last.element.isConnected && !isUsable(last.element)) return
    const next = isUsable(last.element) ? (last.element as HTMLElement) : find(root.value, last)
    next?.focus({ preventScroll: true })
  }
  const observer = new MutationObserver(restore)

  onMounted(() => {
    if (root.value) observer.observe(root.value, { childList: true, subtree: true, attributeFilter: ['disabled'] })
    document.addEventListener('focusin', follow)
    document.addEventListener('pointerdown', leave, true)
  })
  onBeforeUnmount(() => {
    observer.disconnect()
    document.removeEventListener('focusin', follow)
    document.removeEventListener('pointerdown', leave, true)
    const title = document.querySelector<HTMLElement>('h1')
    if (last) void nextTick(() => {
      if (title?.isConnected && isLost()) focusTitle(title)
    })
  })
}
