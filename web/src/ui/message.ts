import { ElMessage } from 'element-plus'

const SHOWN_MS = { success: 3000, warning: 5000, error: 6000 } as const

export type Tone = keyof typeof SHOWN_MS

/** Shows a line on top of the page for a while; the same line twice is counted, not repeated. */
export function showMessage(type: Tone, message: string): void {
  ElMessage({ type, message, duration: SHOWN_MS[type], grouping: true })
}
