/** What went wrong with a request, in words for an error of the caller's own. Never leaves client/. */
export class FetchFailedError extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, { cause })
  }
}

export type FetchBoundedParameters = {
  timeoutMs: number
  sizeMaxBytes: number
  /** Told of every piece of the answer, as it comes. */
  onChunk?: (sizeBytes: number) => void
}

/**
 * A GET whose answer has bounds in size and time. No redirect is followed: it would let one server answer for another's URL.
 *
 * @returns the body; undefined where the answer is 404.
 * @throws {FetchFailedError} nothing answers in time, it answers with another status, with a web page, or with too much.
 */
export async function fetchBounded(url: string, parameters: FetchBoundedParameters): Promise<Uint8Array | undefined> {
  const { timeoutMs, sizeMaxBytes, onChunk } = parameters
  let response: Response
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
  } catch (cause) {
    const isLate = cause instanceof Error && cause.name === 'TimeoutError'
    throw new FetchFailedError(isLate ? `no answer within ${timeoutMs} ms` : 'nothing answers there', cause)
  }
  const { pathname } = new URL(url)
  if (response.status === 404) return undefined
  if (!response.ok || response.body === null) throw new FetchFailedError(`it answers ${response.status} to ${pathname}`)
  if (response.headers.get('content-type')?.startsWith('text/html')) throw new FetchFailedError('a web page is there')
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of response.body) {
      sizeBytes += chunk.length
      onChunk?.(chunk.length)
      if (sizeBytes > sizeMaxBytes)
        throw new FetchFailedError(`${pathname} is larger than anything that is served there`)
      chunks.push(chunk)
    }
  } catch (cause) {
    throw cause instanceof FetchFailedError
      ? cause
      : new FetchFailedError(`the answer to ${pathname} breaks off`, cause)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
