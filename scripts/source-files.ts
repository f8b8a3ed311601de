import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of the workspace. */
export const ROOT: string = join(import.meta.dirname, '..')

/** Every file of the working tree that git tracks or would track, as paths from the root with forward slashes. */
export function workspaceFiles(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const listed = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 }).split('\0')
  // A deleted file stays listed until its deletion is staged.
  return listed.filter((file) => file !== '' && existsSync(join(ROOT, file))).sort()
}

/** The text of a file of the workspace. */
export function readWorkspaceFile(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}
