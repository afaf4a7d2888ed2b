import { flushPromises, type VueWrapper } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { mountWith } from '#tests/harness'
import { startersFor } from './engines/start'
import type { PlayerMedia } from './media'
import VideoPlayer from './VideoPlayer.vue'

vi.mock('./engines/start')

const media: PlayerMedia = {
  title: 'Lecture', vodUrl: '/v.m3u8', liveUrl: null, flvUrl: null, shift: null, posterUrl: null, storyboardUrl: null,
  isLive: false, duration: 60, readAtMs: 0,
}
const PILL = '[data-test=player-sound]'
const SOUND_ONLY = '[data-test=player-sound-only]'
const element = { paused: false, ended: false, videoWidth: 640, videoHeight: 360, readyState: 4 }
const ranges = { length: 0, start: () => 0, end: () => 0 }

/** What the element of jsdom does not do. */
function furnish(refusals: number): void {
  Object.assign(element, { paused: false, videoWidth: 640 })
  const type = HTMLMediaElement.prototype
  for (const name of ['paused', 'ended', 'readyState'] as const) vi.spyOn(type, name, 'get').mockImplementation(() => element[name] as never)
  for (const name of ['buffered', 'seekable'] as const) vi.spyOn(type, name, 'get').mockReturnValue(ranges)
  vi.spyOn(HTMLVideoElement.prototype, 'videoWidth', 'get').mockImplementation(() => element.videoWidth)
  let left = refusals
  vi.spyOn(type, 'play').mockImplementation(() => {
    left -= 1
    return left < 0 ? Promise.resolve() : Promise.reject(new DOMException('No.', 'NotAllowedError'))
  })
  vi.spyOn(type, 'pause').mockImplementation(() => undefined)
  const engine = { name: 'native', latency: () => null, bitrate: () => null, setQuality: () => undefined, destroy: () => undefined } as const
  vi.mocked(startersFor).mockReturnValue([() => Promise.resolve(() => engine)])
}

async function playing(): Promise<VueWrapper> {
  const wrapper = await mountWith(VideoPlayer, { media, wholePage: true })
  await flushPromises()
  await wrapper.find('video').trigger('playing')
  return wrapper
}
async function press(wrapper: VueWrapper, key: string): Promise<void> {
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
  await wrapper.find('video').trigger('volumechange')
}

describe('the player', () => {
  beforeEach(() => {
    furnish(0)
  })
  afterEach(() => {
    document.body.innerHTML = ''
  })

  it('offers sound where the browser has refused it, until the viewer has chosen', async () => {
    furnish(1)
    const wrapper = await playing()
    expect(wrapper.find('video').element.muted).toBe(true)
    expect(wrapper.find(PILL).exists()).toBe(true)
    await wrapper.find(PILL).trigger('click')
    await wrapper.find('video').trigger('volumechange')
    expect(wrapper.find('video').element.muted).toBe(false)
    expect(wrapper.find(PILL).exists()).toBe(false)
    await press(wrapper, 'm')
    expect(wrapper.find(PILL).exists()).toBe(false)
    wrapper.unmount()
  })

  it('does not offer it to who wants it silent', async () => {
    const wrapper = await playing()
    await press(wrapper, 'm')
    expect(wrapper.find('video').element.muted).toBe(true)
    expect(wrapper.find(PILL).exists()).toBe(false)
    wrapper.unmount()
  })

  it('says that there is only sound while it plays without a picture', async () => {
    element.videoWidth = 0
    const wrapper = await playing()
    expect(wrapper.find(SOUND_ONLY).text()).toBe('Sound only')
    element.videoWidth = 640
    await wrapper.find('video').trigger('resize')
    expect(wrapper.find(SOUND_ONLY).exists()).toBe(false)
    wrapper.unmount()
  })
})
