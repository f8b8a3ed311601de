/**
 * Aborts when the caller goes away, with an `AbortError` as everywhere else. The request's own signal carries a plain
 * string there (hono), which further down would look like an unknown fault.
 */
export function callerSignal(request: Request): AbortSignal {
  const caller = new AbortController()
  const end = (): void => caller.abort(clientGone())
  if (request.signal.aborted) end()
  else request.signal.addEventListener('abort', end, { once: true })
  return caller.signal
}

/** Why a call ends whose caller went away: no fault, and not answered. */
export function clientGone(): DOMException {
  return new DOMException('The client went away', 'AbortError')
}
