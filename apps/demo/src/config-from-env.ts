import { SETTINGS, type Config, type SurefootConfig } from '@surefoot/core'

/** The demo has defaults of its own for these, which are not to win over what was set. */
const NAMES = ['maxRetries', 'timeoutMs', 'cache', 'degradeModels', 'degradeToCache', 'experiments'] as const

/** What the environment says of the settings that the demo would else decide; all others Surefoot reads itself. */
export function configFromEnv(config: Config, env: Readonly<Record<string, string | undefined>>): SurefootConfig {
  const isSet = (name: keyof Config): boolean => {
    const variable = SETTINGS.find((setting) => setting.name === name)?.env
    return variable !== undefined && (env[variable] ?? '').trim() !== ''
  }
  return {
    // On a terminal that says where to look, records would only be in the way.
    logLevel: isSet('logLevel') ? config.logLevel : 'silent',
    ...Object.fromEntries(NAMES.filter(isSet).map((name) => [name, config[name]])),
  }
}
