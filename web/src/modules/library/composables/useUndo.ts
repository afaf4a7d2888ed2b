import { h } from 'vue'
import { useI18n } from 'vue-i18n'
import { focusTitle } from '@/ui/keptFocus'
import { useProblem } from '@/ui/problem'
import { useVideoActions } from './useVideo'

const SHOWN_MS = 8000

/** Tells that videos went to the trash, with a button that takes them back. */
export function useUndo() {
  const { t } = useI18n()
  const { batch } = useVideoActions()
  const { showProblem } = useProblem()

  return async (ids: number[]): Promise<void> => {
    const { ElMessage } = await import('element-plus')
    const undo = (): void => {
      shown.close()
      focusTitle()
      batch.mutateAsync({ ids, action: 'restore' }).catch(showProblem)
    }
    const button = h('button', { type: 'button', class: 'ot-undo', 'data-test': 'undo', onClick: undo }, t('library.admin.undo'))
    const message = h('span', { class: 'ot-undo-line' }, [t('library.admin.trashed', ids.length), button])
    const shown = ElMessage({ type: 'success', message, duration: SHOWN_MS, showClose: true })
  }
}
