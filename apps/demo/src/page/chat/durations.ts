/** How long something lasted, from seconds to days, as people read it. */
export function duration(durationMs: number): string {
  if (durationMs < 1000) return 'under 1 s'
  const units = [
    ['s', 1000],
    ['min', 60],
    ['h', 60],
    ['days', 24],
  ] as const
  let value = durationMs
  let shown = ''
  for (const [unit, size] of units) {
    value /= size
    shown = `${Math.round(value)} ${unit}`
    // Two of a unit tell more than one of the next.
    if (value < (unit === 'h' ? 48 : 120)) break
  }
  return shown
}

/** A duration as people read it. */
export function seconds(durationMs: number): string {
  return durationMs < 1000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1000).toFixed(1)} s`
}
