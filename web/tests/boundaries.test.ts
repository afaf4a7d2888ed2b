import { join } from 'node:path'
import { ESLint } from 'eslint'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const eslint = new ESLint({ cwd: root, overrideConfigFile: join(root, 'eslint.config.js') })

/** Names of the rules that a line of code breaks at a place in src. */
async function broken(place: string, code: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath: join(root, 'src', place) })
  return result?.messages.map((message) => message.ruleId) ?? []
}

/** The first look loads ESLint with all its plugins: seconds on a busy machine. */
const LOAD_MS = 120_000

const RULE = 'no-restricted-imports'

describe('import direction', () => {
  it.each([
    ['modules/library/x.ts', "import '@/modules/accounts/index'"],
    ['modules/library/pages/x.ts', "import '../../accounts/index'"],
    ['ui/x.ts', "import '@/modules/accounts/index'"],
    ['ui/x.ts', "import '@/app/modules'"],
    ['lib/x.ts', "import '@/modules/accounts/index'"],
    ['api/x.ts', "import '@/app/stores/session'"],
  ])('%s may not contain %s', async (place, code) => {
    expect(await broken(place, code)).toContain(RULE)
  }, LOAD_MS)

  it.each([
    ['modules/library/x.ts', "import '@/modules/library/index'"],
    ['modules/library/x.ts', "import '@/app/stores/session'"],
    ['ui/x.ts', "import '@/lib/format'"],
  ])('%s may contain %s', async (place, code) => {
    expect(await broken(place, code)).toEqual([])
  }, LOAD_MS)
})
