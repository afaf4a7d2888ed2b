// Runs before the first paint, so that a dark page never flashes white. A file of its own, because the
// content security policy allows no inline script.
;(function () {
  var wanted = null
  try {
    wanted = localStorage.getItem('onetake.theme')
  } catch (_error) {
    // Storage may be blocked: follow the system.
  }
  var dark = wanted === 'dark' || (wanted !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
})()
