/** Whether one version, as `/api/version` says it, came before another. */
export function isBefore(version: string, other: string): boolean {
  const [numbers, others] = [version, other].map((text) => text.split('.').map(Number))
  const at = numbers?.findIndex((number, index) => number !== others?.[index]) ?? -1
  return at >= 0 && (numbers?.[at] ?? 0) < (others?.[at] ?? 0)
}
