import { describe, expect, it } from 'vitest'
import { emptyEntry, entryOf, toCreate, toUpdate } from './sourceForm'
import type { Source } from './states'

const source: Source = {
  ...toCreate({ ...emptyEntry('rtsp', 'Hall'), url: 'rtsp://***@camera/1', time_shift_min: 10 }),
  id: 7,
  stream_name: 'abc',
  key_hint: null,
  created_at: '',
  updated_at: '',
} as Source

describe('the form of a source', () => {
  it('sends no address for what is pushed or built in', () => {
    expect(toCreate({ ...emptyEntry('push', ' Hall '), url: 'rtmp://left/over' })).toMatchObject({ name: 'Hall', url: null })
    expect(toCreate({ ...emptyEntry('test'), pull_mode: 'on_demand' }).pull_mode).toBe('always')
  })

  it('shows minutes and sends seconds', () => {
    expect(source.time_shift_s).toBe(600)
    expect(entryOf(source).time_shift_min).toBe(10)
  })

  it('falls back to the defaults for numbers that are empty', () => {
    const sent = toCreate({ ...emptyEntry(), grace_s: undefined, retention_days: undefined, time_shift_min: undefined })
    expect(sent).toMatchObject({ grace_s: 30, retention_days: 365, time_shift_s: 0 })
  })

  it('keeps a hidden password: an address that nobody touched is not sent', () => {
    expect(toUpdate(entryOf(source), source)).not.toHaveProperty('url')
    expect(toUpdate({ ...entryOf(source), url: 'rtsp://other/1' }, source).url).toBe('rtsp://other/1')
    expect(toUpdate({ ...entryOf(source), protocol: 'push' }, source).url).toBeNull()
  })
})
