#!/usr/bin/env node
import { processEnvironment } from './environment.ts'
import { createProgram } from './program.ts'

const program = createProgram(processEnvironment(), (status) => {
  // Not process.exit(): what is still written to a pipe would be lost.
  process.exitCode = status
})
await program.parseAsync()
