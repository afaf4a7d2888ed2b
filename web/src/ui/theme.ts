import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'
import { recall, remember } from '@/lib/storage'

export type Theme = 'light' | 'dark' | 'system'

const isTheme = (value: unknown): value is Theme => value === 'light' || value === 'dark' || value === 'system'

/** Light or dark: by the system, or as chosen. `public/theme.js` does the same before the first paint. */
export const useTheme = defineStore('theme', () => {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const stored = recall('theme')
  const theme = ref<Theme>(isTheme(stored) ? stored : 'system')
  const systemIsDark = ref(system.matches)
  const isDark = computed(() => theme.value === 'dark' || (theme.value === 'system' && systemIsDark.value))

  system.addEventListener('change', (event) => {
    systemIsDark.value = event.matches
  })
  watch(isDark, (dark) => document.documentElement.classList.toggle('dark', dark), { immediate: true })

  function choose(wanted: Theme): void {
    theme.value = wanted
    remember('theme', wanted === 'system' ? null : wanted)
  }

  return { theme, isDark, choose, toggle: () => { choose(isDark.value ? 'light' : 'dark') } }
})
