/** Loads the right engine for a way of playing. */
import type { Mode } from '../media'
import { abilitiesOf, hlsEngines } from './choose'
import type { EngineStarter } from './engine'

const loaders = {
  'hls.js': () => import('./hls').then((module) => module.startHls),
  native: () => import('./native').then((module) => module.startNative),
  flv: () => import('./flv').then((module) => module.startFlv),
}

/** The engines to try one after the other: the first that starts is it. */
export function startersFor(mode: Mode, video: HTMLVideoElement): (() => Promise<EngineStarter>)[] {
  if (mode === 'flv') return [loaders.flv]
  return hlsEngines(abilitiesOf(video)).map((name) => loaders[name])
}
