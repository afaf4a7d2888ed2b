import { useI18n } from 'vue-i18n'
import { formatBytes, formatDateTime, formatPercent } from '@/lib/format'
import type { Compatible } from './types'

/** What a person reads about a compatible MP4. */
export function useCopyWords() {
  const { t, te, locale } = useI18n()

  function copyWords(copy: Compatible | undefined): string {
    switch (copy?.state) {
      case 'queued': return t('library.download.queued')
      case 'running': return t('library.download.making', { percent: formatPercent(copy.progress * 100, locale.value) })
      case 'failed': return t('library.download.failed', { reason: reasonOf(copy) })
      case 'ready': return readyWords(copy)
      default: return t('library.download.compatibleText')
    }
  }
  function readyWords({ file_size, ready_until }: Compatible): string {
    const until = ready_until === null ? '' : t('library.download.until', { at: formatDateTime(ready_until, locale.value) })
    return `${formatBytes(file_size ?? 0, locale.value)} · ${until}`
  }
  /** A known reason in the reader's language; of an unknown one those who manage videos see the tool's own words. */
  function reasonOf({ error_code, error_message }: Compatible): string {
    const key = `library.errors.${error_code ?? ''}`
    if (error_code !== 'copy_failed' && te(key)) return t(key)
    return error_message ?? t('library.errors.copy_failed')
  }
  return { copyWords }
}
