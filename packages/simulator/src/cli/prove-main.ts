import { prove } from './prove.ts'
import { runCommand } from './run-command.ts'

await runCommand(prove)
