import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { InvalidSettingError, readPassword } from '../../../workers/runtime/config.ts'
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
