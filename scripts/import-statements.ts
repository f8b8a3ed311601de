/** One import or re-export in a source text. */
export interface ImportStatement {
  readonly specifier: string
  /** Whether nothing of it is left at run time. `import { type A }` is not: it still loads the module. */
  readonly isTypeOnly: boolean
  /** 1-based. */
  readonly line: number
}

const STATIC = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w$*{},\s]+?\s*from\s*)?['"]([^'"\n]+)['"]/gm
const DYNAMIC = /(typeof\s+)?\bimport\(\s*['"]([^'"\n]+)['"]\s*\)(\.[A-Z])?/g

/** Finds the imports of a TypeScript source: statements, re-exports, `import()` and import types. */
export function importStatements(source: string): ImportStatement[] {
  const code = blankComments(source)
  const found: ImportStatement[] = []
  for (const match of code.matchAll(STATIC)) {
    found.push({
      specifier: match[2] ?? '',
      isTypeOnly: match[1] !== undefined,
      line: lineAt(code, match.index + match[0].search(/\S/)),
    })
  }
  for (const match of code.matchAll(DYNAMIC)) {
    const isTypeOnly = match[1] !== undefined || match[3] !== undefined
    found.push({ specifier: match[2] ?? '', isTypeOnly, line: lineAt(code, match.index) })
  }
  return found.sort((a, b) => a.line - b.line)
}

/**
 * The source with its comments blanked, so that line numbers stay. Only comments that begin a line, and trailing `//`
 * after white space: enough for formatted sources, where telling `//` in a string from a comment would take a parser.
 */
export function blankComments(source: string): string {
  return source
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/[^\n'"`]*$/gm, (comment) => comment.replace(/[^\n]/g, ' '))
}

/** The 1-based line of an offset. */
export function lineAt(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length
}
