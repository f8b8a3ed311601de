/** Runs a command with the arguments of this process; says in one sentence what it did not understand. */
export async function runCommand(command: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command(process.argv.slice(2))
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: string }
    if (typeof code !== 'string' || !code.startsWith('ERR_PARSE_ARGS')) throw error
    process.stderr.write(`${message} See --help.\n`)
    process.exitCode = 2
  }
}
