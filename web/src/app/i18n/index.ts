import type { Language as ElementTexts } from 'element-plus/es/locale'
import { shallowRef } from 'vue'
import { createI18n } from 'vue-i18n'
import { setApiLanguage } from '@/api/client'
import { remember } from '@/lib/storage'
import { firstLanguage, type Language } from './languages'
import type { Texts } from './merge'

interface LanguagePack {
  texts: Texts
  element: ElementTexts
}

const packs: Record<Language, () => Promise<{ default: LanguagePack }>> = {
  en: () => import('./messages/en'),
  'zh-CN': () => import('./messages/zh-CN'),
  'zh-TW': () => import('./messages/zh-TW'),
}

export const i18n = createI18n<false>({ legacy: false, locale: 'en', messages: {}, missingWarn: import.meta.env.DEV })

/** Texts of Element Plus in the language of the page. */
export const elementTexts = shallowRef<ElementTexts>()

/** Loads and shows a language. */
export async function useLanguage(lang: Language): Promise<void> {
  const pack = (await packs[lang]()).default
  i18n.global.setLocaleMessage(lang, pack.texts)
  i18n.global.locale.value = lang
  elementTexts.value = pack.element
  document.documentElement.lang = lang
  setApiLanguage(lang)
}

/** A choice by hand: shown and remembered. */
export async function chooseLanguage(lang: Language): Promise<void> {
  remember('language', lang)
  await useLanguage(lang)
}

export async function startLanguage(): Promise<void> {
  await useLanguage(firstLanguage())
}
