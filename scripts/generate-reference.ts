import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { referencePages } from './reference-pages.ts'
import { ROOT } from './source-files.ts'

for (const [file, text] of Object.entries(referencePages())) {
  const path = join(ROOT, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  console.log(file)
}
