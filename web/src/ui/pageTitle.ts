import { watch } from 'vue'
import { useI18n } from 'vue-i18n'

/** Names the window after what the page shows; while `title` is undefined the title of the route stays. */
export function usePageTitle(title: () => string | undefined): void {
  const { locale } = useI18n()
  // The route's title is set anew in another language, and this one after it.
  watch([title, locale], ([text]) => {
    if (text !== undefined) document.title = `${text} · OneTake`
  }, { immediate: true })
}
