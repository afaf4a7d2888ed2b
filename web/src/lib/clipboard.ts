/**
 * Copies `text`. The clipboard interface exists only on https and localhost; on a LAN address the old command does it.
 * Resolves to false when the browser refused both.
 */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text)
  }
}

function copyBySelection(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.readOnly = true
  field.className = 'ot-visually-hidden'
  document.body.append(field)
  field.select()
  try {
    // The only way on plain http, deprecated or not.
    return document.execCommand('copy')
  } catch {
    return false
  } finally {
    field.remove()
  }
}
