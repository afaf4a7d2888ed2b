/** Preview pictures on the seek bar: WebVTT whose cues name a tile of a sheet by `#xywh=` (Media Fragments URI 1.0 §4.2.2). */

export interface Tile {
  /** Seconds. */
  start: number
  end: number
  /** Address of the sheet. */
  url: string
  x: number
  y: number
  width: number
  height: number
}

const TIME = /^(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})$/
const FRAGMENT = /^(?:pixel:)?(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})$/

/** The tiles in order of time; cues that are no tiles are left out. `base` is the address of the file itself. */
export function parseStoryboard(text: string, base: string): Tile[] {
  if (!text.replace(/^\uFEFF/, '').startsWith('WEBVTT')) return []
  const blocks = text.split(/\r?\n(?:[ \t]*\r?\n)+/)
  return blocks.flatMap((block) => oneTile(block.split(/\r?\n/), base)).sort((a, b) => a.start - b.start)
}

function oneTile(lines: string[], base: string): Tile[] {
  const at = lines.findIndex((line) => line.includes('-->'))
  const span = at < 0 ? null : spanOf(lines[at] ?? '')
  const area = at < 0 ? null : areaOf(lines[at + 1] ?? '', base)
  return span && area ? [{ ...span, ...area }] : []
}

function spanOf(line: string): Pick<Tile, 'start' | 'end'> | null {
  const [start = NaN, end = NaN] = line.split('-->').map((part) => seconds(part.trim().replace(/\s.*$/, '')))
  return end > start ? { start, end } : null
}

function areaOf(line: string, base: string): Omit<Tile, 'start' | 'end'> | null {
  const target = address(line, base)
  const place = FRAGMENT.exec(target?.hash.replace(/^#xywh=/, '') ?? '')
  if (target === null || place === null) return null
  const [x, y, width, height] = place.slice(1).map(Number) as [number, number, number, number]
  target.hash = ''
  return width > 0 && height > 0 ? { url: target.href, x, y, width, height } : null
}

function seconds(time: string): number {
  const parts = TIME.exec(time)
  if (!parts) return NaN
  const [hours, minutes, whole, ms] = parts.slice(1).map((part) => Number((part as string | undefined) ?? 0))
  return (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (whole ?? 0) + (ms ?? 0) / 1000
}

/** Only pictures of http(s) addresses: a cue is data, not something to be run. */
function address(text: string, base: string): URL | null {
  if (text.trim() === '' || !URL.canParse(text.trim(), base)) return null
  const url = new URL(text.trim(), base)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : null
}

/** The tile shown for a second of the video: the one that covers it, else the last before it. */
export function tileAt(tiles: readonly Tile[], second: number): Tile | null {
  let low = 0
  let high = tiles.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((tiles[middle]?.start ?? Infinity) <= second) low = middle + 1
    else high = middle
  }
  return tiles[low - 1] ?? tiles[0] ?? null
}

/** Tiles of several sheets end somewhere: how large a sheet is, judged by its tiles. */
export function sheetSize(tiles: readonly Tile[], url: string): { width: number; height: number } {
  const own = tiles.filter((tile) => tile.url === url)
  return {
    width: Math.max(0, ...own.map((tile) => tile.x + tile.width)),
    height: Math.max(0, ...own.map((tile) => tile.y + tile.height)),
  }
}
