import { onBeforeUnmount, onMounted, type Ref } from 'vue'
import { isLiveMode } from '../media'
import { actOf, belongsToElement, speedAfter, type Act } from '../keys'
import type { Player } from './usePlayer'
import type { useScreens } from './useScreens'
import type { useVolume } from './useVolume'

export interface Controls {
  player: Player
  volume: ReturnType<typeof useVolume>
  screens: ReturnType<typeof useScreens>
  toggleStatistics: () => void
}

type Doer<Name extends Act['do']> = (controls: Controls, act: Extract<Act, { do: Name }>, video: HTMLVideoElement) => void

/** Seeks where seeking is possible; `second` computes the target from position and length. */
function seekTo({ player }: Controls, second: (position: number, length: number) => number): void {
  const { canSeek, position, length } = player.timeline.value
  if (canSeek) player.seek(second(position, length))
}

const DOERS: { [Name in Act['do']]: Doer<Name> } = {
  toggle: ({ player }) => { player.toggle() },
  skip: (controls, act) => { seekTo(controls, (position) => position + act.seconds) },
  part: (controls, act) => { seekTo(controls, (_position, length) => (length * act.tenth) / 10) },
  end: (controls) => { seekTo(controls, (_position, length) => length) },
  speed: ({ player }, act) => {
    if (!isLiveMode(player.mode.value)) player.setSpeed(speedAfter(player.state.rate, act.steps))
  },
  louder: ({ volume }, act) => { volume.louder(act.by) },
  mute: ({ volume }) => { volume.toggleMute() },
  fullscreen: ({ screens }) => { screens.toggleFullscreen() },
  picture: ({ screens }) => { screens.togglePicture() },
  statistics: ({ toggleStatistics }) => { toggleStatistics() },
  captions: (_controls, _act, video) => { toggleCaptions(video) },
}

/** Carries out what a key means. */
function actOn<Name extends Act['do']>(controls: Controls, act: Extract<Act, { do: Name }>, video: HTMLVideoElement): void {
  const doer = DOERS[act.do] as Doer<Name>
  doer(controls, act, video)
}

function toggleCaptions(video: HTMLVideoElement): void {
  const tracks = Array.from(video.textTracks).filter(({ kind }) => kind === 'subtitles' || kind === 'captions')
  const shown = tracks.some((track) => track.mode === 'showing')
  tracks.forEach((track, index) => {
    track.mode = !shown && index === 0 ? 'showing' : 'disabled'
  })
}

/**
 * Keys work while the focus is in the player. With `whole` also while it is nowhere: on a page that is about the video.
 */
export function useKeyboard(
  root: Readonly<Ref<HTMLElement | null>>,
  element: Readonly<Ref<HTMLVideoElement | null>>,
  controls: Controls & { stir: () => void },
  whole: () => boolean,
): void {
  function isOurs(target: EventTarget | null): boolean {
    const inside = target instanceof Node && (root.value?.contains(target) ?? false)
    return inside || (whole() && (target === document.body || target === document.documentElement))
  }
  function press(event: KeyboardEvent): void {
    const act = actOf(event)
    if (act === null || element.value === null || event.defaultPrevented) return
    if (!isOurs(event.target) || belongsToElement(event.target, event.key)) return
    event.preventDefault()
    controls.stir()
    controls.player.refresh() // a key that is held repeats before the last one has been told of
    actOn(controls, act, element.value)
  }
  onMounted(() => {
    document.addEventListener('keydown', press)
  })
  onBeforeUnmount(() => {
    document.removeEventListener('keydown', press)
  })
}
