import { describe, expect, it } from 'vitest'

import { OracleAnswer, VOCABULARY } from './oracle.ts'

describe('what a model says', () => {
  it('depends on the question alone', () => {
    expect(new OracleAnswer('Question 1.', 50).text).toBe(new OracleAnswer('Question 1.', 50).text)
    expect(new OracleAnswer('Question 2.', 50).text).not.toBe(new OracleAnswer('Question 1.', 50).text)
  })

  it('is gone on from at the end of a piece, and nowhere else', () => {
    const answer = new OracleAnswer('Question 1.', 50)
    for (let pieces = 0; pieces <= 50; pieces++) expect(answer.piecesIn(answer.textOf(pieces))).toBe(pieces)
    const within = [...answer.pieces].findIndex((piece) => (VOCABULARY[piece] as string).length > 1)
    expect(answer.piecesIn(answer.textOf(within + 1).slice(0, -1))).toBeUndefined()
    expect(answer.piecesIn(`${answer.textOf(3)}!`)).toBeUndefined()
  })
})
