import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'
import type { components } from '@/api/generated/schema'
import { taskVideo } from '@/api/taskVideo'
import { notify } from './notify'
import { offerLink } from './offer'

/** Says that a recording was stopped, with a link to its video once there is one. */
export function useStoppedNotice() {
  const { t } = useI18n()
  const router = useRouter()

  return async (task: components['schemas']['TaskView']): Promise<void> => {
    const text = t('ui.recordingStopped', { title: task.title })
    const path = await taskVideo(task).catch(() => null)
    if (path === null) notify('success', text)
    else await offerLink(text, { label: t('ui.watchVideo'), path, router })
  }
}
