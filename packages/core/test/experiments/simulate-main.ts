import { CASES, simulate } from './simulated.ts'

/** Plays one case, by its place in the list, and prints what came of it: CASE EXPERIMENTS SESSIONS SEED. */
const [index = 0, experiments = 0, sessions = 0, seed = 0] = process.argv.slice(2).map(Number)
const simulated = CASES[index]
process.stdout.write(JSON.stringify(simulated === undefined ? null : simulate(simulated, experiments, sessions, seed)))
