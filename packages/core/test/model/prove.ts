/** `pnpm prove` asks for the long form of these tests; the test command runs a tenth of it. */
export const PROVE: boolean = process.env['SUREFOOT_PROVE'] === '1'
