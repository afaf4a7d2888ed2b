import { watch } from 'vue'
import { useSession } from '@/app/stores/session'
import { i18n, chooseLanguage } from './index'
import { isLanguage } from './languages'

/** A language that somebody set in the profile holds in every browser after sign-in. */
export function followUserLanguage(): void {
  const session = useSession()
  watch(
    () => session.user?.language,
    (lang) => {
      if (isLanguage(lang) && lang !== i18n.global.locale.value) void chooseLanguage(lang)
    },
    { immediate: true },
  )
}
