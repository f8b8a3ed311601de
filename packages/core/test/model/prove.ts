const { SUREFOOT_PROVE, SUREFOOT_FUZZ } = process.env

/** `pnpm prove` asks for the long form of these tests; the test command runs a tenth of it. */
export const PROVE: boolean = SUREFOOT_PROVE === '1'

/** How many inputs the parsers are given. */
export const FUZZ_INPUTS = Number(SUREFOOT_FUZZ ?? (PROVE ? 3_000_000 : 40_000))
