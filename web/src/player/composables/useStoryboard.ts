import { useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'
import { parseStoryboard, sheetSize, type Tile, tileAt } from '../storyboard'

async function load(url: string): Promise<Tile[]> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(15_000) })
  return answer.ok ? parseStoryboard(await answer.text(), url) : []
}

/** The preview pictures of a video; none while they are not there, and none when they cannot be had. */
export function useStoryboard(url: MaybeRefOrGetter<string | null>) {
  const query = useQuery({
    queryKey: ['storyboard', computed(() => toValue(url))],
    queryFn: () => load(toValue(url) ?? '').catch(() => []),
    enabled: () => toValue(url) !== null,
    staleTime: Infinity,
  })
  const tiles = computed(() => query.data.value ?? [])
  return { tiles, tile: (second: number) => tileAt(tiles.value, second) }
}

/** Style that shows one tile `width` pixels wide. */
export function tileStyle(tile: Tile, tiles: readonly Tile[], width: number): Record<string, string> {
  const scale = width / tile.width
  const sheet = sheetSize(tiles, tile.url)
  const px = (value: number): string => `${String(value * scale)}px`
  return {
    width: `${String(width)}px`,
    height: px(tile.height),
    backgroundImage: `url("${tile.url}")`,
    backgroundSize: `${px(sheet.width)} ${px(sheet.height)}`,
    backgroundPosition: `${px(-tile.x)} ${px(-tile.y)}`,
  }
}
