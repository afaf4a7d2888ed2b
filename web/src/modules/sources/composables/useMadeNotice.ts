import { h } from 'vue'
import { useI18n } from 'vue-i18n'

const SHOWN_MS = 12_000

/** Says of a source that was made without asking who can see it, with a button to change that. */
export function useMadeNotice() {
  const { t } = useI18n()

  return async (name: string, change: () => void): Promise<void> => {
    const { ElMessage } = await import('element-plus')
    const go = (): void => {
      shown.close()
      change()
    }
    const button = h('button', { type: 'button', class: 'ot-undo', 'data-test': 'made-change', onClick: go }, t('sources.first.change'))
    const message = h('span', { class: 'ot-undo-line' }, [t('sources.first.made', { name }), button])
    const shown = ElMessage({ type: 'success', message, duration: SHOWN_MS, showClose: true })
  }
}
