/** Now with its fraction of a ms, as `created_at` needs it. */
export function preciseNowMs(): number {
  return performance.timeOrigin + performance.now()
}

/** RFC 3339 as Go writes it: up to 9 digits of a second, trailing zeros dropped. */
export function goTimestamp(epochMs: number): string {
  const wholeMs = Math.floor(epochMs)
  const iso = new Date(wholeMs).toISOString()
  const nanos = String(Math.floor((epochMs - wholeMs) * 1e6)).padStart(6, '0')
  const fraction = (iso.slice(20, 23) + nanos).replace(/0+$/, '')
  return `${iso.slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Reads a Go duration such as `1h30m`, in ms; `undefined` if it is none. */
export function parseGoDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  const whole = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$/.exec(text)
  if (whole === null) return undefined
  let sumMs = 0
  for (const [, count, unit] of (whole[2] as string).matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    sumMs += Number(count) * (UNIT_MS[unit as string] as number)
  }
  return whole[1] === '-' ? -sumMs : sumMs
}
