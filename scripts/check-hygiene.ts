import { readWorkspaceFile, workspaceFiles } from './source-files.ts'
import { lineAt } from './import-statements.ts'
import type { Violation } from './violation.ts'

interface Rule {
  /** The files it holds for; every one where this is missing. */
  readonly files?: RegExp
  readonly pattern: RegExp
  readonly message: string
}

const RULES: readonly Rule[] = [
  {
    files: /^pnpm-lock\.yaml$/,
    pattern: /https?:\/\/|\btarball:/g,
    message: 'the lock file names a download address; it must work with every registry',
  },
  {
    pattern: /(?<=^|[\s'"`(=:])\/(?:home|Users|work|workspaces?)\/[\w.-]+/gm,
    message: 'a path of one machine',
  },
  { pattern: /\b(?:TODO|FIXME)\b/g, message: 'do it, or open an issue for it' }, // hygiene: the rule itself
  {
    files: /\.(?:test|test-d|bench)\.tsx?$/,
    pattern: /\b(?:test|it|describe|suite|bench)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/g,
    message: 'a test is left out',
  },
  {
    pattern:
      /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bsk-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bAKIA[A-Z0-9]{16}\b/g,
    message: 'this looks like a secret',
  },
  { pattern: /^(?:<{7}|>{7}) /gm, message: 'a merge conflict' },
]

/** A line that ends so is about a rule and is not judged by it. */
const ABOUT_A_RULE = '// hygiene: the rule itself'

/** What must not be in this file. */
export function checkText(file: string, text: string): Violation[] {
  // Binary files have no lines to check.
  if (text.includes('\0')) return []
  const lines = text.split('\n')
  return RULES.filter((rule) => rule.files?.test(file) !== false).flatMap(({ pattern, message }) =>
    [...text.matchAll(pattern)]
      .map((match) => ({ file, line: lineAt(text, match.index), message: `${message}: ${match[0].slice(0, 40)}` }))
      .filter(({ line }) => !lines[line - 1]?.endsWith(ABOUT_A_RULE)),
  )
}

/** Checks every file of the workspace. */
export function checkHygiene(): Violation[] {
  return workspaceFiles().flatMap((file) => checkText(file, readWorkspaceFile(file)))
}
