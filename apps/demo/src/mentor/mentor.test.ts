import { describe, expect, it } from 'vitest'

import { systemPromptOf, teacherOfClass, TEACHERS } from '../shared/teachers.ts'
import { scriptedAnswer, shorterAnswer, textToTokens } from './scripted-answers.ts'
import { guessSubject } from './subject.ts'

describe('the teachers', () => {
  it('are one for each class from 1 to 10', () => {
    expect(TEACHERS.map((teacher) => teacher.classNumber)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(new Set(TEACHERS.map((teacher) => teacher.name)).size).toBe(10)
    expect(() => teacherOfClass(0)).toThrow('There is no class 0.')
  })

  it('introduce themselves to the model with their name and class', () => {
    expect(systemPromptOf(teacherOfClass(7))).toContain(
      'You are Dr. Hana Sato, a kind and cheerful science teacher for Class 7.',
    )
  })
})

describe('the stand-in’s answers', () => {
  it('exist for every suggested question', () => {
    const unanswered = TEACHERS.flatMap((teacher) => teacher.questions).filter((question) =>
      scriptedAnswer(question).startsWith('I am the stand-in'),
    )
    expect(unanswered).toEqual([])
  })

  it('do not depend on case and punctuation', () => {
    expect(scriptedAnswer(' what is WATER ')).toBe(scriptedAnswer('What is water?'))
  })

  it('say of any other question that there is no model, and how to get one', () => {
    expect(scriptedAnswer('Who are you?')).toMatch(/no model behind me.*ollama serve.*ollama pull llama3\.2/)
  })

  it('are shorter from a smaller model: their first two sentences', () => {
    expect(shorterAnswer('Why do we sleep?')).toBe(
      'While you sleep, your body is busy. Your muscles rest and mend, and you grow a little, because the growing hormone works best at night.',
    )
    expect(shorterAnswer('Who are you?')).toMatch(/install Ollama from ollama\.com, run `ollama serve`/)
    for (const question of TEACHERS.flatMap((teacher) => teacher.questions)) {
      expect(scriptedAnswer(question).startsWith(`${shorterAnswer(question)} `)).toBe(true)
    }
  })

  it('come in tokens that add up to the text', () => {
    const text = scriptedAnswer('What is gravity?')
    expect(textToTokens(text).join('')).toBe(text)
  })
})

describe('the subject of a question', () => {
  it.each([
    ['What is gravity?', 'Physics'],
    ['Explain photosynthesis simply.', 'Biology'],
    ['What is an atom?', 'Chemistry'],
    ['What is the solar system?', 'Earth & Space Science'],
    ['Who wrote this?', 'Science'],
    ['Tell me about the SUN and the planets', 'Earth & Space Science'],
  ])('%s is %s', (question, subject) => {
    expect(guessSubject(question)).toBe(subject)
  })
})
