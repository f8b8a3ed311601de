/** One place where a rule of this repository is broken. */
export interface Violation {
  /** From the root of the workspace, with forward slashes. */
  readonly file: string
  /** 1-based. */
  readonly line: number
  readonly message: string
}

/** `file:line message`, as editors and terminals link it. */
export function violationToLine({ file, line, message }: Violation): string {
  return `${file}:${line} ${message}`
}
