import { onBeforeUnmount, onMounted } from 'vue'
import { api, call } from '@/api/client'
import { useSession } from '@/app/stores/session'
import { describeDevice } from '@/lib/device'
import { watchMeter } from './watchMeter'

const VIEW_AFTER_S = 5
const REPORT_EVERY_S = 10

/** Counts a view after five seconds of playing, and keeps the position of people who are signed in. */
export function useWatching(id: number, duration: () => number) {
  const session = useSession()
  const meter = watchMeter()
  const device_type = describeDevice(navigator.userAgent).isPhone ? 'phone' : 'desktop'
  let position = 0
  let counted = false
  let reportedAt = 0
  let reportedPosition = -1

  function progress(now: number, paused: boolean): void {
    position = now
    meter.tick(Date.now(), paused)
    if (!counted && meter.total() >= VIEW_AFTER_S) count()
    if (meter.total() - reportedAt >= REPORT_EVERY_S || (paused && position !== reportedPosition)) report()
  }
  function count(): void {
    counted = true
    // A view that is not counted is no reason to disturb anybody.
    void call(api.POST('/api/videos/views', { body: { video_ids: [id] } })).catch(() => undefined)
  }
  function report(keepalive = false): void {
    if (!session.isSignedIn || meter.total() === 0) return
    reportedAt = meter.total()
    reportedPosition = position
    const body = { position: Math.floor(position), duration: Math.floor(duration()), watch_duration: meter.take(), device_type }
    const sent = api.POST('/api/videos/{id}/progress', { params: { path: { id } }, body, keepalive })
    void call(sent).catch(() => undefined)
  }
  function last(): void {
    if (position !== reportedPosition) report(true)
  }

  onMounted(() => {
    window.addEventListener('pagehide', last)
  })
  onBeforeUnmount(() => {
    window.removeEventListener('pagehide', last)
    last()
  })
  return { progress }
}
