// Vite plugin: puts .br and .gz beside every text file of the build, which the API serves as they are.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const TEXT = new Set(['.js', '.css', '.html', '.svg', '.json', '.webmanifest'])
const SMALLEST_BYTES = 1024
const brotli = promisify(brotliCompress)
const deflate = promisify(gzip)

async function compressFile(path) {
  const content = await readFile(path)
  if (content.length < SMALLEST_BYTES) return
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9 }
  await Promise.all([
    writeFile(`${path}.br`, await brotli(content, { params })),
    writeFile(`${path}.gz`, await deflate(content, { level: 9 })),
  ])
}

/** @returns {import('vite').Plugin} */
export function compress() {
  let folder = ''
  return {
    name: 'compress',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir)
    },
    async closeBundle() {
      const names = await readdir(folder, { recursive: true })
      await Promise.all(names.filter((name) => TEXT.has(extname(name))).map((name) => compressFile(join(folder, name))))
    },
  }
}
