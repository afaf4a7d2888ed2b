import type { FormItemRule } from 'element-plus'
import { useI18n } from 'vue-i18n'

const EMAIL = /^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$/

/** What a form checks before it asks the server. Words follow the language of the page. */
export function useRules() {
  const { t } = useI18n()
  const test = (bad: (value: string) => boolean, words: () => string): FormItemRule => ({
    trigger: 'blur',
    validator: (_rule, value: unknown, done) => {
      if (bad(typeof value === 'string' ? value : '')) done(new Error(words()))
      else done()
    },
  })
  return {
    required: (): FormItemRule => ({ ...test((value) => value.trim() === '', () => t('ui.form.required')), required: true }),
    atLeast: (n: number): FormItemRule => test((value) => value !== '' && [...value].length < n, () => t('ui.form.min', n)),
    email: (): FormItemRule => test((value) => value !== '' && !EMAIL.test(value), () => t('ui.form.email')),
    sameAs: (other: () => string): FormItemRule => test((value) => value !== other(), () => t('ui.form.mismatch')),
  }
}

/** Smallest password that the server takes (NIST SP 800-63B). */
export const PASSWORD_MIN = 8
