import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  adviseRelaunch,
  mergeTcbStatus,
  TCB_STATUSES,
  type TcbStatus,
} from '../../../protocol/attestation/tcbStatus.ts'
import { createQuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { svn } from './factory/quote.ts'
import { createWorld, type Json, type WorldChanges } from './factory/world.ts'

function statusOf(changes: WorldChanges): TcbStatus {
  const { root, ...parameters } = createWorld(changes)
  return createQuoteVerifier({ root }).appraise(parameters).tcbStatus
}
const OUTDATED_SGX = { components: [2, 2, ...Array.from({ length: 14 }, () => 0)] }
const platform =
  (status: TcbStatus) =>
  (json: Json): void => {
    json.tcbLevels[0].tcbStatus = status
  }

// Rows: the platform's level. What an outdated part makes of it (QVL, convergeTcbStatusWithTdxModuleStatus).
const OUTDATED_PART: readonly [TcbStatus, TcbStatus][] = [
  ['UpToDate', 'OutOfDate'],
  ['SWHardeningNeeded', 'OutOfDate'],
  ['ConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
  ['ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded'],
  ['OutOfDate', 'OutOfDate'],
  ['OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
  ['Revoked', 'Revoked'],
]

for (const [level, merged] of OUTDATED_PART) {
  test(`appraiseQuote: a ${level} platform with an outdated TDX module is ${merged}`, () => {
    assert.equal(
      statusOf({ quote: { version: 4 }, report: { teeTcbSvn: svn(4, 1, 3) }, tcbInfo: platform(level) }),
      merged,
    )
  })
  test(`appraiseQuote: a ${level} platform with an outdated quoting enclave is ${merged}`, () => {
    assert.equal(statusOf({ qeReport: { isvSvn: 3 }, tcbInfo: platform(level) }), merged)
  })
  test(`appraiseQuote: a ${level} platform with up-to-date parts is ${level}`, () => {
    assert.equal(statusOf({ tcbInfo: platform(level) }), level)
  })
  test(`appraiseQuote: a ${level} platform with a revoked quoting enclave is revoked`, () => {
    assert.equal(statusOf({ qeReport: { isvSvn: 2 }, tcbInfo: platform(level) }), 'Revoked')
  })
  test(`appraiseQuote: a ${level} platform with a revoked TDX module is revoked`, () => {
    assert.equal(statusOf({ report: { teeTcbSvn: svn(2, 1, 3) }, tcbInfo: platform(level) }), 'Revoked')
  })
}

test('mergeTcbStatus: leaves a status that says relaunch as it is', () => {
  for (const status of TCB_STATUSES.filter((candidate) => candidate.startsWith('TDRelaunch'))) {
    assert.equal(mergeTcbStatus(status, 'OutOfDate'), status)
    assert.equal(mergeTcbStatus(status, 'Revoked'), 'Revoked')
  }
})

test('appraiseQuote: advises relaunch where the module was updated under a TD 1.5', () => {
  const report = { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(6, 1, 3) }
  assert.equal(statusOf({ report }), 'TDRelaunchAdvised')
  assert.equal(statusOf({ report, tcbInfo: platform('ConfigurationNeeded') }), 'TDRelaunchAdvisedConfigurationNeeded')
})

test('appraiseQuote: advises relaunch for a module of another version, by that version’s levels', () => {
  assert.equal(statusOf({ report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(3, 3, 3) } }), 'TDRelaunchAdvised')
  assert.equal(statusOf({ report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(2, 3, 3) } }), 'OutOfDate')
})

test('appraiseQuote: advises relaunch for a current module of version 0 by component 0', () => {
  assert.equal(statusOf({ report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(5, 0, 3) } }), 'TDRelaunchAdvised')
  assert.equal(statusOf({ report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(4, 0, 3) } }), 'OutOfDate')
})

test('appraiseQuote: advises no relaunch where the current module or microcode is behind', () => {
  assert.equal(statusOf({ report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(5, 1, 3) } }), 'OutOfDate')
  assert.equal(statusOf({ report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(6, 1, 2) } }), 'OutOfDate')
})

test('appraiseQuote: advises no relaunch where platform or quoting enclave is outdated', () => {
  const report = { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(6, 1, 3) }
  assert.equal(statusOf({ report, sgx: OUTDATED_SGX }), 'OutOfDate')
  assert.equal(statusOf({ report, qeReport: { isvSvn: 3 } }), 'OutOfDate')
})

test('appraiseQuote: advises no relaunch for TD 1.0, in version 4 or 5', () => {
  const report = { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(6, 1, 3) }
  assert.equal(statusOf({ report, quote: { version: 4 } }), 'OutOfDate')
  assert.equal(statusOf({ report, quote: { version: 5, bodyType: 2 } }), 'OutOfDate')
})

test('adviseRelaunch: a platform whose SGX level is revoked is not helped by a relaunch', () => {
  const inputs = {
    tdx: 'OutOfDate',
    tdxModule: 'OutOfDate',
    quotingEnclave: 'UpToDate',
    isCurrentModuleNewest: true,
  } as const
  assert.equal(adviseRelaunch({ ...inputs, sgx: 'Revoked' }), 'OutOfDate')
  assert.equal(adviseRelaunch({ ...inputs, sgx: 'SWHardeningNeeded' }), 'TDRelaunchAdvised')
})

test('appraiseQuote: components 0 and 1 do not count where TEE_TCB_SVN[1] says the module has a version', () => {
  const raise = (json: Json): void => {
    json.tcbLevels[0].tcb.tdxtcbcomponents[0].svn = 200
    json.tcbLevels[0].tcb.tdxtcbcomponents[1].svn = 200
  }
  assert.equal(statusOf({ tcbInfo: raise }), 'UpToDate')
})

test('appraiseQuote: components 0 and 1 count where the module is of version 0', () => {
  const report = { teeTcbSvn: svn(5, 0, 3) }
  assert.equal(statusOf({ report }), 'UpToDate')
  const raise = (json: Json): void => {
    json.tcbLevels[0].tcb.tdxtcbcomponents[0].svn = 6
  }
  assert.equal(statusOf({ report, tcbInfo: raise }), 'OutOfDate')
})

test('appraiseQuote: takes the newest level that is reached, in whatever order they stand', () => {
  assert.equal(statusOf({ tcbInfo: (json) => void json.tcbLevels.reverse() }), 'UpToDate')
  const reverse = (json: Json): void => {
    for (const identity of json.tdxModuleIdentities) identity.tcbLevels.reverse()
  }
  assert.equal(statusOf({ tcbInfo: reverse }), 'UpToDate')
  assert.equal(statusOf({ qeIdentity: (json) => void json.tcbLevels.reverse() }), 'UpToDate')
})

test('appraiseQuote: a level must be reached in every number at once', () => {
  assert.equal(statusOf({ report: { teeTcbSvn: svn(6, 1, 2) } }), 'OutOfDate')
  assert.equal(statusOf({ sgx: { components: [9, 2, ...Array.from({ length: 14 }, () => 9)] } }), 'OutOfDate')
})

test('appraiseQuote: gathers the advisories of platform, module and enclave, sorted and once', () => {
  const { root, ...parameters } = createWorld({
    sgx: OUTDATED_SGX,
    report: { teeTcbSvn: svn(4, 1, 3) },
    qeReport: { isvSvn: 3 },
  })
  const appraisal = createQuoteVerifier({ root }).appraise(parameters)
  assert.deepEqual(appraisal.advisoryIds, ['INTEL-SA-00837', 'INTEL-SA-00900', 'INTEL-SA-00955', 'INTEL-SA-00960'])
  assert.equal(appraisal.tcbDateMs, Date.parse('2025-01-01T00:00:00Z'))
  assert.deepEqual(
    appraisal.shortfalls.map(({ component }) => component),
    ['SGX component 1', 'SGX component 2', 'TDX module TDX_01 ISVSVN', 'Quoting enclave ISVSVN'],
  )
})

test('appraiseQuote: a module of version 0 has no status of its own', () => {
  const { root, ...parameters } = createWorld({ report: { teeTcbSvn: svn(5, 0, 3) } })
  assert.equal(createQuoteVerifier({ root }).appraise(parameters).tdxModuleStatus, null)
})
