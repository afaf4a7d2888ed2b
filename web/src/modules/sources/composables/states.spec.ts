import { describe, expect, it } from 'vitest'
import { LIGHTS, canRecord, isPulled, lightOf, toneOf, type Source, type SourceStatus } from './states'

const source = (more: Partial<Source> = {}): Source =>
  ({ protocol: 'rtmp', is_active: true, pull_mode: 'always', ...more }) as Source
const status = (state: string): SourceStatus => ({ state }) as SourceStatus

describe('the light of a source', () => {
  it.each(['live', 'stalled', 'grace', 'connecting', 'retrying', 'failed'])('takes over %s', (state) => {
    expect(lightOf(source(), status(state))).toBe(state)
  })

  it('tells apart why nothing comes in', () => {
    expect(lightOf(source(), status('offline'))).toBe('offline')
    expect(lightOf(source({ protocol: 'push' }), status('offline'))).toBe('waiting')
    expect(lightOf(source({ pull_mode: 'on_demand' }), status('offline'))).toBe('idle')
    expect(lightOf(source({ protocol: 'push', pull_mode: 'on_demand' }), status('offline'))).toBe('waiting')
  })

  it('is off for a source that is switched off, whatever was heard last', () => {
    expect(lightOf(source({ is_active: false }), status('live'))).toBe('disabled')
  })

  it('admits that nothing is known, and that a word is new', () => {
    expect(lightOf(source(), undefined)).toBe('unknown')
    expect(lightOf(source(), status('levitating'))).toBe('unknown')
  })

  it('has a colour for every word, red only for failure', () => {
    expect(LIGHTS.filter((light) => toneOf(light) === 'danger')).toEqual(['failed'])
    expect(LIGHTS.filter((light) => toneOf(light) === 'success')).toEqual(['live'])
  })

  it('lets be recorded what is there, and what is fetched when it is wanted', () => {
    expect(canRecord(source(), true)).toBe(true)
    expect(canRecord(source(), false)).toBe(false)
    expect(canRecord(source({ pull_mode: 'on_demand' }), false)).toBe(true)
    expect(canRecord(source({ pull_mode: 'on_demand', is_active: false }), false)).toBe(false)
    expect(canRecord(source({ pull_mode: 'on_demand', protocol: 'push' }), false)).toBe(false)
  })

  it('knows what is fetched from an address', () => {
    expect(isPulled('hls')).toBe(true)
    expect(isPulled('push')).toBe(false)
    expect(isPulled('test')).toBe(false)
  })
})
