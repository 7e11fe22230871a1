import { writeFileSync } from 'node:fs'
import { toJsonSchema } from '../protocol/identity/configSchema.ts'

/** Writes the JSON schema of a config file, for editors; a test says when it is due. */
const path = new URL('../protocol/identity/coalition.schema.json', import.meta.url)
writeFileSync(path, `${JSON.stringify(toJsonSchema(), null, 2)}\n`)
