import { readdirSync } from 'node:fs'
import { defineConfigWithVueTs, vueTsConfigs } from '@vue/eslint-config-typescript'
import pluginVue from 'eslint-plugin-vue'

const modules = readdirSync(new URL('./src/modules', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

const climbing = { regex: '^\\.\\./\\.\\./', message: 'Climb with "@/" instead of "../../".' }

/** Forbids imports that match the regular expressions, in the files given. */
const forbid = (files, patterns) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [climbing, ...patterns] }] },
})

const anyModule = { regex: '^@/modules/', message: 'ui, lib and api know no module.' }
const theApp = { regex: '^@/app/', message: 'ui, lib and api do not know the app around them.' }
const otherModule = (own) => ({
  regex: `^@/modules/(?!${own}/)`,
  message: 'Modules do not import each other: share through ui, lib, api or an app store.',
})

export default defineConfigWithVueTs(
  { ignores: ['src/api/generated/**', 'node_modules/**', 'public/theme.js'] },
  pluginVue.configs['flat/recommended'],
  vueTsConfigs.strict,
  vueTsConfigs.stylistic,
  {
    rules: {
      complexity: ['error', 10],
      eqeqeq: 'error',
      'max-lines-per-function': ['error', { max: 60, skipComments: true, IIFEs: true }],
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/define-macros-order': 'error',
      'vue/multi-word-component-names': 'off',
      'vue/no-v-html': 'error',
      'vue/no-unused-refs': 'error',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-self-closing': ['error', { html: { void: 'always' } }],
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/require-default-prop': 'off',
    },
  },
  { files: ['**/*.vue'], rules: { 'max-lines': ['error', 250], 'max-lines-per-function': 'off' } },
  { files: ['**/*.spec.ts', 'tests/**'], rules: { 'max-lines-per-function': 'off', '@typescript-eslint/no-non-null-assertion': 'off' } },
  { files: ['scripts/**'], rules: { 'no-console': 'off' } },
  forbid(['src/app/**'], []),
  forbid(['src/player/**', 'src/ui/**', 'src/lib/**', 'src/api/**'], [anyModule, theApp]),
  ...modules.map((own) => forbid([`src/modules/${own}/**`], [otherModule(own)])),
)
