import { type Command, Option } from 'commander'
import { assertRedisUrl } from '../workers/queues.ts'
import { environment } from './environment.ts'

/** Where the members' queues are; refused before anything else is read, whether it was given or stands in the environment. */
export const addRedisOption = (command: Command): Command =>
  command
    .addOption(
      // The default itself may hold a password, and help is read aloud.
      new Option('--redis <url>', 'Redis of the members').default(
        environment.redisUrl,
        'REDIS_URL, else redis://127.0.0.1:6379',
      ),
    )
    .hook('preAction', (_command, called) => assertRedisUrl(called.opts<{ redis: string }>().redis))
