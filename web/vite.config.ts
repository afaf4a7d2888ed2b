import { fileURLToPath } from 'node:url'
import { compress } from './scripts/compress.mjs'
import { players } from './scripts/players.mjs'
import vue from '@vitejs/plugin-vue'
import ElementPlus from 'unplugin-element-plus/vite'
import { defineConfig } from 'vitest/config'

const api = process.env['ONETAKE_API'] ?? 'http://127.0.0.1:8000'

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  plugins: [vue(), ElementPlus({}), players(), compress()],
  resolve: { alias: { '@': folder('./src'), '#tests': folder('./tests') } },
  define: {
    // Only the composition API of vue-i18n is used, and no development tools in production.
    __VUE_I18N_FULL_INSTALL__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
  },
  server: { proxy: { '/api': { target: api, ws: true } } },
  build: {
    outDir: '../src/onetake/webui',
    emptyOutDir: true,
    // The content security policy allows no data: address in a style sheet.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.spec.ts', 'tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    restoreMocks: true,
    server: { deps: { inline: ['element-plus'] } },
  },
})
