import { api, call } from '@/api/client'
import { useSession } from '@/app/stores/session'
import { chooseLanguage } from './index'
import type { Language } from './languages'

/** A choice by hand: shown at once, and kept in the profile of whoever is signed in. */
export function useLanguageChoice(): (lang: Language) => Promise<void> {
  const session = useSession()
  return async (lang) => {
    await chooseLanguage(lang)
    if (!session.isSignedIn) return
    // The page already speaks the language: a profile that could not be saved is no reason for a message.
    const saved = await call(api.PUT('/api/auth/me', { body: { language: lang } })).catch(() => null)
    if (saved !== null) session.replaceUser(saved)
  }
}
