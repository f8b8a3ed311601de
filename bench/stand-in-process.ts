import { createStandIn } from '@surefoot/testing'

// A process of its own: its CPU time must not count towards what is measured.
const tokens = Number(process.argv[2] ?? 100)
const standIn = await createStandIn({ slots: 8, answers: () => Array.from({ length: tokens }, (_, i) => ` word${i}`) })
process.send?.(standIn.url)
process.on('disconnect', () => void standIn.close().then(() => process.exit(0)))
