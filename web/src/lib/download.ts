/** Has the browser save what `url` answers as an attachment, as a click on a link does. */
export function download(url: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = ''
  link.click()
}
