import { useEffect, useState } from 'react'

/** Epoch milliseconds, to compare with instants that the server names. */
export function nowMs(): number {
  return Date.now()
}

/** Calls back again and again until the returned function is called. */
export function every(periodMs: number, fire: () => void): () => void {
  const timer = setInterval(fire, periodMs)
  return () => clearInterval(timer)
}

/** Calls back once, unless the returned function is called before. */
export function after(delayMs: number, fire: () => void): () => void {
  const timer = setTimeout(fire, delayMs)
  return () => clearTimeout(timer)
}

/** The time, kept fresh while a component shows a countdown; it may be one period old when that begins. */
export function useNow(periodMs: number, isRunning: boolean): number {
  const [now, setNow] = useState(nowMs)
  useEffect(() => {
    if (!isRunning) return undefined
    return every(periodMs, () => setNow(nowMs()))
  }, [periodMs, isRunning])
  return now
}
