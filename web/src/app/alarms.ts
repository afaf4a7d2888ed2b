import type { SystemStatus } from '@/api/types'

type Warning = SystemStatus['warnings'][number]

/** Warnings that are said outside the system page as well: all that are critical, and those about the disk. */
const SAID_EVERYWHERE = ['disk_low', 'disk_full_soon']
const MOST = 3

/** What the banner says; the server has put the most urgent first. */
export function alarmsOf(warnings: readonly Warning[]): Warning[] {
  return warnings.filter(({ code, level }) => level === 'critical' || SAID_EVERYWHERE.includes(code)).slice(0, MOST)
}
