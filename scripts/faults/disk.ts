import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { TraceEvent } from './trace.ts'

/**
 * A folder as the disk holds it, followed through a trace: what was written and synced is there, what was only written is
 * gone with the power. Of all that may be left after such a loss, this is the least.
 */
export type Disk = {
  apply(event: TraceEvent): void
  /** Grows whenever something more became durable. */
  version(): number
  /** Writes what is durable into an empty folder. */
  writeDurable(dir: string): void
  /** The power is gone: what was not durable is lost, here and in the folder itself. Nobody may be using it. */
  cutPower(): void
  /** Names of files whose content is not what the trace led to; empty unless the trace lacks something. */
  findDifferences(): string[]
}

type Change = { kind: 'write'; offset: number; bytes: Uint8Array } | { kind: 'truncate'; sizeBytes: number }
type File = {
  durable: Content
  /** As every process sees it. */
  cached: Content
  pending: Change[]
  /** Whether its name is durable: its folder was synced since it was made. */
  isNamed: boolean
}

/** @param dir - a folder of files, all of it durable, that nobody is using yet. */
export function createDisk(dir: string): Disk {
  const files = new Map<string, File>()
  let version = 0
  for (const name of readdirSync(dir)) {
    const bytes = readFileSync(join(dir, name))
    files.set(join(dir, name), {
      durable: createContent(bytes),
      cached: createContent(bytes),
      pending: [],
      isNamed: true,
    })
  }

  const change = (file: File, change: Change): void => {
    applyTo(file.cached, change)
    file.pending.push(change)
  }

  function sync(path: string): void {
    version += 1
    if (path === dir) {
      for (const file of files.values()) file.isNamed = true
      return
    }
    const file = files.get(path)
    for (const each of file?.pending.splice(0) ?? []) applyTo(file!.durable, each)
  }

  return {
    version: () => version,
    apply({ path, effect }) {
      const file = files.get(path)
      if (effect.kind === 'sync') {
        if (effect.outcome === 'done') sync(path)
        // After an error the kernel takes pages for written that are not: a second sync would not bring them back.
        else if (effect.outcome === 'failed' && file !== undefined) file.pending = []
      } else if (effect.kind === 'open') {
        if (!effect.isCreating || file !== undefined || dirname(path) !== dir) return
        files.set(path, { durable: createContent(), cached: createContent(), pending: [], isNamed: false })
      } else if (effect.kind === 'remove') files.delete(path)
      else if (file !== undefined && (effect.kind === 'write' || effect.kind === 'truncate')) change(file, effect)
    },
    writeDurable(target) {
      rmSync(target, { recursive: true, force: true })
      mkdirSync(target, { recursive: true })
      for (const [path, { durable, isNamed }] of files) {
        if (isNamed) writeFileSync(join(target, basename(path)), durable.read())
      }
    },
    cutPower() {
      for (const name of readdirSync(dir)) rmSync(join(dir, name))
      for (const [path, file] of files) {
        if (!file.isNamed) {
          files.delete(path)
          continue
        }
        file.cached = createContent(file.durable.read())
        file.pending = []
        writeFileSync(path, file.durable.read())
      }
    },
    findDifferences() {
      const names = new Set([...readdirSync(dir).map((name) => join(dir, name)), ...files.keys()])
      return [...names].filter((path) => {
        const file = files.get(path)
        try {
          return file === undefined || !readFileSync(path).equals(file.cached.read())
        } catch {
          return true
        }
      })
    },
  }
}

/** Bytes that grow in place. */
type Content = { read(): Buffer; write(offset: number, bytes: Uint8Array): void; truncate(sizeBytes: number): void }

function createContent(initial: Uint8Array = new Uint8Array(0)): Content {
  let buffer = Buffer.from(initial)
  let size = initial.length
  function resize(sizeBytes: number): void {
    if (sizeBytes > buffer.length) {
      const larger = Buffer.alloc(Math.max(sizeBytes, 2 * buffer.length))
      buffer.copy(larger, 0, 0, size)
      buffer = larger
    }
    buffer.fill(0, Math.min(size, sizeBytes), Math.max(size, sizeBytes))
    size = sizeBytes
  }
  return {
    read: () => buffer.subarray(0, size),
    write(offset, bytes) {
      if (offset + bytes.length > size) resize(offset + bytes.length)
      buffer.set(bytes, offset)
    },
    truncate: resize,
  }
}

function applyTo(content: Content, change: Change): void {
  if (change.kind === 'write') content.write(change.offset, change.bytes)
  else content.truncate(change.sizeBytes)
}
