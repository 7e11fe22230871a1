/** What the command line takes from its environment; everything else is an option. */
export const environment = {
  /** Where the members' queues are, unless --redis says otherwise. */
  redisUrl: process.env.REDIS_URL || 'redis://127.0.0.1:6379',
  /** A keystore's password, unless --password-file says otherwise. */
  password: process.env.COALITION_PASSWORD,
}
