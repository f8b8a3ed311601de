import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand, runPnpm } from './run-command.ts'
import { ROOT } from './source-files.ts'

/** Packs every package that can be published, as it would be published, and lets publint look at the result. */
export async function checkPackages(): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'surefoot-packages-'))
  try {
    const faults: string[] = []
    for (const home of globSync('packages/*', { cwd: ROOT })) {
      const manifest = readFileSync(join(ROOT, home, 'package.json'), 'utf8')
      if ((JSON.parse(manifest) as { private?: boolean }).private === true) continue
      const destination = join(folder, home)
      const packed = await runPnpm(['pack', '--pack-destination', destination], join(ROOT, home))
      const tarball = globSync('*.tgz', { cwd: destination })[0]
      const fault =
        packed ??
        (tarball === undefined
          ? 'pnpm pack made nothing'
          : await runCommand('publint', [join(destination, tarball), '--strict']))
      if (fault !== undefined) faults.push(`${home}: ${fault}`)
    }
    return faults.join('\n') || undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}
