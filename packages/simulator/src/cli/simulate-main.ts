import { simulate } from './simulate.ts'
import { runCommand } from './run-command.ts'

await runCommand(simulate)
