/** An address as it may be shown and logged: without user name and password, and without a slash at its end. */
export function shownUrl(url: string): string {
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  return shown.href.replace(/\/+$/, '')
}
