import { ElMessageBox } from 'element-plus'
import { useI18n } from 'vue-i18n'

export interface Question {
  title: string
  text: string
  /** Words on the button that does it. */
  yes: string
  danger?: boolean
}

/** Asks before something that cannot be taken back; resolves to false when the person turns away. */
export function useConfirm(): (question: Question) => Promise<boolean> {
  const { t } = useI18n()
  return async ({ title, text, yes, danger }) =>
    ElMessageBox.confirm(text, title, {
      confirmButtonText: yes,
      cancelButtonText: t('ui.cancel'),
      confirmButtonType: danger ? 'danger' : 'primary',
      autofocus: false,
    }).then(
      () => true,
      () => false,
    )
}
