import { h } from 'vue'
import type { Router } from 'vue-router'

const SHOWN_MS = 8000

/** Shows a line that something is done, with a link to what has come of it. */
export async function offerLink(text: string, { label, path, router }: { label: string; path: string; router: Router }): Promise<void> {
  const { ElMessage } = await import('element-plus')
  const go = (event: Event): void => {
    event.preventDefault()
    shown.close()
    void router.push(path)
  }
  const link = h('a', { href: router.resolve(path).href, class: 'ot-undo', 'data-test': 'notice-link', onClick: go }, label)
  const message = h('span', { class: 'ot-undo-line' }, [text, link])
  const shown = ElMessage({ type: 'success', message, duration: SHOWN_MS, showClose: true })
}
