import type { Summary } from '../summary.ts'

/** Rows of words as a table in Markdown, in columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? title).length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}

/** What came of all worlds. */
export function showSummary(summary: Summary, tookMs: number): string {
  const { seeds, calls, answered, refused, left, wrong, attempts, events, violations } = summary
  const failed = Object.entries(summary.failedByCode).map(([code, count]) => [`  ${code}`, thousands(count)])
  const rows = [
    ['seeds', thousands(seeds)],
    ['hours simulated', summary.hours.toFixed(1)],
    ['calls', thousands(calls)],
    ['answered', `${thousands(answered)} (${percent(answered / calls)})`],
    ['refused', thousands(refused)],
    ['left by their caller', thousands(left)],
    ['told that they are wrong', thousands(wrong)],
    ['refused and failed, by code', ''],
    ...failed,
    ['attempts a call', (attempts / Math.max(1, calls)).toFixed(3)],
    ['resumed', thousands(summary.resumed)],
    ['events', thousands(events)],
    ['events a second', thousands(Math.round((events / tookMs) * 1000))],
    ['violations', thousands(violations.length)],
  ]
  return table(['', 'sum'], rows)
}

export function thousands(count: number): string {
  return count.toLocaleString('en-US')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(4)} %`
}

/** A line of a run, for a person. */
export function traceLine(atMs: number, what: string, subject: number, detail: string | number): string {
  const [days, rest] = [Math.floor(atMs / 86_400_000), new Date(atMs % 86_400_000).toISOString().slice(11, 23)]
  return `${days > 0 ? `${days} d ` : ''}${rest}  ${what.padEnd(22)} ${String(subject).padStart(6)}  ${detail}`
}
