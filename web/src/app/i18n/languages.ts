import { recall } from '@/lib/storage'

export const LANGUAGES = ['zh-CN', 'zh-TW', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

/** How each language calls itself. */
export const LANGUAGE_NAMES: Record<Language, string> = { 'zh-CN': '简体中文', 'zh-TW': '繁體中文', en: 'English' }

export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.includes(value as Language)
}

/** The best language for a list of tags (BCP 47); traditional script goes by script and by region. */
export function matchLanguage(tags: readonly string[]): Language {
  for (const tag of tags) {
    const lower = tag.toLowerCase()
    if (/^zh\b/.test(lower)) return !lower.includes('hans') && /hant|-(tw|hk|mo)\b/.test(lower) ? 'zh-TW' : 'zh-CN'
    if (/^en\b/.test(lower)) return 'en'
  }
  return 'en'
}

/** The language chosen earlier, else the browser's. */
export function firstLanguage(): Language {
  const chosen = recall('language')
  return isLanguage(chosen) ? chosen : matchLanguage(navigator.languages)
}
