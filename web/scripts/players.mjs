// Vite plugin: puts the players as they were published beside the build; the page of a stand-alone media server,
// which is plain HTML, loads them from there (src/onetake/engine/standalone.py).
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename } from 'node:path'

const FILES = ['hls.js/dist/hls.min.js', 'mpegts.js/dist/mpegts.js', 'mpegts.js/dist/mpegts.js.LICENSE.txt']
const { resolve } = createRequire(import.meta.url)

/** @returns {import('vite').Plugin} */
export function players() {
  return {
    name: 'players',
    apply: 'build',
    async generateBundle() {
      for (const file of FILES) {
        const source = await readFile(resolve(file))
        this.emitFile({ type: 'asset', fileName: `players/${basename(file)}`, source })
      }
    },
  }
}
