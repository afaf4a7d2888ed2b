import type { Job, JobDetail, JobPage } from '@/api/types'

/** A job, or some of its fields, as a live update brings it. */
export type JobUpdate = Partial<Job> & { id: number }

/** The update in a live message, or null when it is none. */
export function toJobUpdate(data: unknown): JobUpdate | null {
  const id = typeof data === 'object' && data !== null ? (data as { id?: unknown }).id : null
  return typeof id === 'number' ? (data as JobUpdate) : null
}

/** The page with the job's row brought up to date; the same object when the job is not on it. */
export function patchPage(page: JobPage, update: JobUpdate): JobPage {
  if (!page.items.some((job) => job.id === update.id)) return page
  return { ...page, items: page.items.map((job) => (job.id === update.id ? { ...job, ...update } : job)) }
}

/** Whether the update belongs into lists and counts that were made before it. */
export function changesLists(pages: (JobPage | undefined)[], update: JobUpdate): boolean {
  const known = pages.flatMap((page) => page?.items ?? []).filter((job) => job.id === update.id)
  return known.length === 0 || known.some((job) => update.state !== undefined && job.state !== update.state)
}

export function patchDetail(detail: JobDetail, update: JobUpdate): JobDetail {
  const children = detail.children.map((child) => (child.id === update.id ? { ...child, ...update } : child))
  return detail.id === update.id ? { ...detail, ...update, children } : { ...detail, children }
}
