export interface Throttled {
  (): void
  /** Forgets a call that still waits. */
  cancel: () => void
}

/** Calls `act` at most once per `pauseMs`: at once, and once more at the end when it was asked for meanwhile. */
export function throttle(act: () => void, pauseMs: number): Throttled {
  let timer: ReturnType<typeof setTimeout> | null = null
  let again = false

  function fire(): void {
    again = false
    timer = setTimeout(() => {
      timer = null
      if (again) fire()
    }, pauseMs)
    act()
  }
  function throttled(): void {
    if (timer === null) fire()
    else again = true
  }
  throttled.cancel = () => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    again = false
  }
  return throttled
}
