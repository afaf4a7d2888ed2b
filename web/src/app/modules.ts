import type { AppModule, MenuEntry } from '@/lib/module'

/** Every folder in src/modules declares itself in its index.ts; nothing is listed here. */
const found = import.meta.glob<AppModule>('@/modules/*/index.ts', { eager: true, import: 'default' })

export const modules: readonly AppModule[] = Object.values(found)

/** The administration menu, sorted. */
export const adminMenu: readonly MenuEntry[] = modules
  .flatMap((module) => module.menu ?? [])
  .sort((a, b) => a.order - b.order)
