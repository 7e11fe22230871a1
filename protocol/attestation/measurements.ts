import { type Hex, toHex } from '../bytes.ts'
import type { TdReport } from './quote.ts'

/** A TD report's fields as lower-case hex. MRSERVICETD and TEE_TCB_SVN_2 stand only in TD 1.5 reports. */
export type Measurements = {
  teeTcbSvn: Hex
  mrSeam: Hex
  mrSignerSeam: Hex
  seamAttributes: Hex
  tdAttributes: Hex
  xfam: Hex
  mrTd: Hex
  mrConfigId: Hex
  mrOwner: Hex
  mrOwnerConfig: Hex
  /** RTMR0–3. */
  rtMr: readonly Hex[]
  reportData: Hex
  teeTcbSvn2?: Hex
  mrServiceTd?: Hex
}

/** The report's bytes are written out once and cut, which is what makes this cheap. */
export function toMeasurements(report: TdReport): Measurements {
  const { bytes, rtMr, teeTcbSvn2, mrServiceTd } = report
  const digits = toHex(bytes)
  const cut = (field: Uint8Array): Hex => {
    const start = '0x'.length + 2 * (field.byteOffset - bytes.byteOffset)
    return `0x${digits.slice(start, start + 2 * field.length)}`
  }
  return {
    teeTcbSvn: cut(report.teeTcbSvn),
    mrSeam: cut(report.mrSeam),
    mrSignerSeam: cut(report.mrSignerSeam),
    seamAttributes: cut(report.seamAttributes),
    tdAttributes: cut(report.tdAttributes),
    xfam: cut(report.xfam),
    mrTd: cut(report.mrTd),
    mrConfigId: cut(report.mrConfigId),
    mrOwner: cut(report.mrOwner),
    mrOwnerConfig: cut(report.mrOwnerConfig),
    rtMr: rtMr.map(cut),
    reportData: cut(report.reportData),
    ...(teeTcbSvn2 && { teeTcbSvn2: cut(teeTcbSvn2) }),
    ...(mrServiceTd && { mrServiceTd: cut(mrServiceTd) }),
  }
}
