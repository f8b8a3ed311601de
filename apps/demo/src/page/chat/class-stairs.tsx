import type { CSSProperties, ReactNode } from 'react'

import { TEACHERS } from '../../shared/teachers.ts'

/** What the staircase shows and does. */
export interface ClassStairsProps {
  readonly classNumber: number
  readonly isLocked: boolean
  readonly onChoose: (classNumber: number) => void
}

/** The ten classes as ten steps; radio buttons underneath, so that arrow keys walk up and down. */
export function ClassStairs({ classNumber, isLocked, onChoose }: ClassStairsProps): ReactNode {
  return (
    <fieldset className="stairs" disabled={isLocked}>
      <legend className="visually-hidden">Your class</legend>
      {TEACHERS.map((teacher, index) => (
        <label key={teacher.classNumber} data-class={teacher.classNumber} style={{ '--step': index } as CSSProperties}>
          <input
            type="radio"
            name="class"
            className="visually-hidden"
            value={teacher.classNumber}
            aria-label={`Class ${teacher.classNumber}, ${teacher.name}`}
            checked={teacher.classNumber === classNumber}
            onChange={() => onChoose(teacher.classNumber)}
          />
          <span aria-hidden="true">{teacher.classNumber}</span>
        </label>
      ))}
    </fieldset>
  )
}
