import { useEffect, useState } from 'react'

/** Light, dark, or as the system says. */
export type Theme = 'auto' | 'light' | 'dark'

const THEMES: readonly Theme[] = ['auto', 'light', 'dark']
const KEY = 'babysteps-theme'

/** The colour scheme, kept between visits. */
export function useTheme(): { readonly theme: Theme; next(): void } {
  const [theme, setTheme] = useState<Theme>(() => THEMES.find((known) => known === localStorage.getItem(KEY)) ?? 'auto')
  useEffect(() => {
    if (theme === 'auto') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = theme
    localStorage.setItem(KEY, theme)
  }, [theme])
  return { theme, next: () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] as Theme) }
}
