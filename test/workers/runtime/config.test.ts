import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { InvalidSettingError, readMemberSettings, readPassword } from '../../../workers/runtime/config.ts'
import { createTestDir } from '../member/chronicle-of-tests.ts'

function passwordFile(text: string): { KEYSTORE_PASSWORD_FILE: string } {
  const path = join(createTestDir(), 'password.txt')
  writeFileSync(path, text)
  return { KEYSTORE_PASSWORD_FILE: path }
}

test('readPassword: takes the first line, whatever follows it', () => {
  for (const end of ['', '\n', '\r\n', '\nnotes\n', '\n\n'])
    assert.equal(readPassword(passwordFile(`secret${end}`)), 'secret')
})

test('readPassword: refuses an empty first line and a file that is not there', () => {
  assert.throws(() => readPassword(passwordFile('\nsecret\n')), InvalidSettingError)
  assert.throws(() => readPassword({ KEYSTORE_PASSWORD_FILE: join(createTestDir(), 'none') }), InvalidSettingError)
})

test('readMemberSettings: runs the Chronicle unless COMPONENT names another, and refuses what is none', (t) => {
  const before = { ...process.env }
  t.after(() => {
    process.env = before
  })
  delete process.env.COMPONENT
  Object.assign(process.env, { COALITION_CONFIG: 'a', KEYSTORE: 'a', KEYSTORE_PASSWORD_FILE: 'a', STORE: 'a' })
  assert.equal(readMemberSettings().COMPONENT, 'chronicle')
  process.env.COMPONENT = 'tickets'
  assert.equal(readMemberSettings().COMPONENT, 'tickets')
  for (const COMPONENT of ['compute', 'Atlas', '', 'toString']) {
    process.env.COMPONENT = COMPONENT
    assert.throws(readMemberSettings, { code: 'INVALID_SETTING', message: /^The setting COMPONENT cannot be used/ })
  }
})
