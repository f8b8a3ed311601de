import { provePlanted } from './prove-planted.ts'
import { runCommand } from './run-command.ts'

await runCommand(provePlanted)
