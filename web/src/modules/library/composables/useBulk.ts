import { ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useConfirm } from '@/ui/confirm'
import { notify } from '@/ui/notify'
import { useProblem } from '@/ui/problem'
import type { BatchAction } from './types'
import { useUndo } from './useUndo'
import { useVideoActions } from './useVideo'

/** What is told of an action that has a word of its own. */
const DONE: Partial<Record<BatchAction, 'restored' | 'deleted'>> = { restore: 'restored', delete: 'deleted' }

/** Acts on one or many videos: asks before what cannot be undone, offers to undo what can. */
export function useBulk() {
  const { t } = useI18n()
  const confirm = useConfirm()
  const { showProblem } = useProblem()
  const { batch } = useVideoActions()
  const undo = useUndo()
  const chosen = ref<number[]>([])

  async function act(action: BatchAction, ids: number[] = chosen.value): Promise<void> {
    if (action === 'delete' && !(await confirm(removal(ids.length)))) return
    const { results, done } = await batch.mutateAsync({ ids, action })
    chosen.value = chosen.value.filter((id) => !ids.includes(id))
    const succeeded = ids.filter((id) => results[String(id)] === 'done')
    if (action === 'trash' && done > 0) await undo(succeeded)
    else if (done > 0) notify('success', t(`library.admin.${DONE[action] ?? 'done'}`, done))
    if (done < ids.length) notify('warning', t('library.admin.notDone', ids.length - done))
  }
  function removal(n: number) {
    return {
      title: t('library.admin.removeTitle'),
      text: t('library.admin.removeText', n),
      yes: t('library.admin.remove'),
      danger: true,
    }
  }
  return { chosen, isBusy: batch.isPending, act: (action: BatchAction, ids?: number[]) => void act(action, ids).catch(showProblem) }
}
