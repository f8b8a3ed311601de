import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './reference-pages.ts'
import { readWorkspaceFile, ROOT } from './source-files.ts'

/** The generated pages that differ from what their source says now. */
export function checkReference(): string | undefined {
  const stale = Object.entries(referencePages()).filter(
    ([file, text]) => !existsSync(join(ROOT, file)) || readWorkspaceFile(file) !== text,
  )
  return stale.map(([file]) => `${file} is not what \`pnpm generate\` writes`).join('\n') || undefined
}
