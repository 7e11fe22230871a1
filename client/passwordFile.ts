import { readFileSync } from 'node:fs'

/** A keystore's password: the first line of `path`, without its end. Throws what Node.js throws where it cannot be read. */
export const readPasswordFile = (path: string): string => readFileSync(path, 'utf8').split(/\r?\n/, 1)[0]!
