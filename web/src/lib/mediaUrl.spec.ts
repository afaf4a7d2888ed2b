import { describe, expect, it } from 'vitest'
import { mediaUrl, type MediaAddresses } from './mediaUrl'

const auto: MediaAddresses = { public_url: null, media: { url: null, port: 8080, files_port: 8081 } }
const page = (address: string): URL => new URL(address)

describe('mediaUrl', () => {
  it.each([
    ['LAN address', 'http://192.168.1.20:8000/', 'live', 'http://192.168.1.20:8080/live/a.m3u8'],
    ['LAN address, recordings', 'http://192.168.1.20:8000/', 'files', 'http://192.168.1.20:8081/live/a.m3u8'],
    ['port 80', 'http://video.example/', 'live', 'http://video.example:8080/live/a.m3u8'],
    ['IPv6', 'http://[fd00::7]:8000/', 'live', 'http://[fd00::7]:8080/live/a.m3u8'],
    ['https proxy on one origin', 'https://video.example/', 'live', 'https://video.example/live/a.m3u8'],
    ['https proxy on another port', 'https://video.example:8443/x', 'files', 'https://video.example:8443/live/a.m3u8'],
  ] as const)('%s', (_name, address, process, expected) => {
    expect(mediaUrl('/live/a.m3u8', auto, process, page(address))).toBe(expected)
  })

  it('follows a mapped port of the media process by the configured ports', () => {
    const mapped = { ...auto, media: { url: null, port: 18080, files_port: 18081 } }
    expect(mediaUrl('/t/x/v', mapped, 'live', page('http://10.0.0.5:18000/'))).toBe('http://10.0.0.5:18080/t/x/v')
  })

  it('uses one origin when the public address is https, even on a page opened by http', () => {
    const proxied = { ...auto, public_url: 'https://video.example' }
    expect(mediaUrl('/vod/x', proxied, 'files', page('http://video.example/'))).toBe('http://video.example/vod/x')
  })

  it('uses a configured address as it is', () => {
    const fixed = { ...auto, media: { ...auto.media, url: 'https://cdn.example/' } }
    expect(mediaUrl('/vod/x', fixed, 'files', page('http://10.0.0.5:8000/'))).toBe('https://cdn.example/vod/x')
  })

  it('leaves absolute addresses of the API alone', () => {
    expect(mediaUrl('https://else.example/v.mp4', auto, 'live', page('http://a/'))).toBe('https://else.example/v.mp4')
  })

  it.each(['javascript:alert(1)', '//evil.example/x', 'live/x', '', 'data:text/html,x'])('refuses %j', (path) => {
    expect(() => mediaUrl(path, auto, 'live', page('http://a/'))).toThrow('not a media path')
  })
})
