import { type Command, Help } from 'commander'

/** What the help of every command says beyond commander's own: which options are required, and the exit statuses. */
export const addHelp = (program: Command): Command =>
  program
    .configureHelp({
      optionDescription(option) {
        const description = Help.prototype.optionDescription.call(this, option)
        return option.mandatory && option.defaultValue === undefined ? `${description} (required)` : description
      },
    })
    .addHelpText('afterAll', '\nExit status: 0 done, 1 refused or not verified, 2 unusable input.')
