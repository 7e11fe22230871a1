import { Command } from 'commander'
import { issueCommand, renewCommand, revokeCommand } from './ticket/command.ts'
import { newCommand } from './ticket/new.ts'
import { proveCommand } from './ticket/prove.ts'
import { signCommand } from './ticket/sign.ts'
import { verifyCommand } from './ticket/verify.ts'

export const ticketCommand = (): Command =>
  new Command('ticket')
    .description('make, issue, renew, revoke, sign, prove and verify tickets of a coalition’s issuer')
    .addCommand(newCommand())
    .addCommand(issueCommand())
    .addCommand(renewCommand())
    .addCommand(revokeCommand())
    .addCommand(signCommand())
    .addCommand(proveCommand())
    .addCommand(verifyCommand())
