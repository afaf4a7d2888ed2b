import { api, call } from './client'
import type { components } from './generated/schema'

/** Videos made within this time around the start of a task are looked through for the one of the task. */
const AROUND_MS = 3_600_000
const MOST = 100

/** Path of the page of the video that a task has recorded; null when it has none (any more). */
export async function taskVideo(task: components['schemas']['TaskView']): Promise<string | null> {
  const at = Date.parse(task.created_at)
  const query = {
    source_id: task.source_id ?? undefined,
    created_from: new Date(at - AROUND_MS).toISOString(),
    created_to: new Date(at + AROUND_MS).toISOString(),
    per_page: MOST,
  }
  const found = await call(api.GET('/api/videos', { params: { query } }))
  const video = found.items.find(({ task_id }) => task_id === task.id)
  return video ? `/video/${String(video.id)}` : null
}
