/** One tree of texts from the locale files: a module's file stands under the module's name. */
export type Texts = Record<string, unknown>

export function mergeLocales(files: Record<string, unknown>): Texts {
  return Object.fromEntries(Object.entries(files).map(([path, texts]) => [namespaceOf(path), texts]))
}

/** `../modules/jobs/locales/en.json` → `jobs`, `../ui/locales/en.json` → `ui`. */
export function namespaceOf(path: string): string {
  const name = /([^/]+)\/locales\/[^/]+\.json$/.exec(path)?.[1]
  if (name === undefined) throw new Error(`not a locale file: ${path}`)
  return name
}
