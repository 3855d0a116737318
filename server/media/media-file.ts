/** An open media file. */
import { existsSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { mediaUnsupported } from "./errors.js";
import {
  canReopenDescriptors,
  isSame,
  type Location,
  OWN_DESCRIPTORS,
  openInRoots,
  type Place,
  replaced,
} from "./open-place.js";

/**
 * One open file. All reads reach the same file, whatever happens to its path. Reads name their position, so that any number of
 * them may run at once.
 */
export interface MediaFile {
  /** Bytes in the file now. */
  size(): Promise<number>;
  /** Identifies the file and its content: differs for every other file, and when the file is written. */
  version(): Promise<string>;
  /** The bytes from position `start` on; fewer than `bytes` where the file ends. */
  read(start: number, bytes: number): Promise<Buffer>;
  /** The content of the file. Throws `media_unsupported` for a file of more than {@link MAX_READ_BYTES}. */
  readAll(): Promise<Buffer>;
  /** Lends the file to another process while `task` starts it. The process reads it at a position of its own. */
  lend<T>(task: (file: LentFile) => Promise<T>): Promise<T>;
  /** Waits for the reads that run, then closes the file. May be called again. */
  close(): Promise<void>;
}

/** A file as another process opens it. */
export interface LentFile {
  /** Descriptors that the process must inherit as 3, 4, …: the option `files` of `startTool`. */
  files: number[];
  /** The path at which the process opens the file. For tools only: messages show names. */
  path: string;
}

/** Bytes of a file that are read into memory at once. A picture of the largest size takes less, uncompressed. */
const MAX_READ_BYTES = 512 * 1024 * 1024;

/** The descriptor of the only file that a process inherits. */
const INHERITED = 3;

/** Opens a file under its roots. Throws as `openInRoots`. */
export async function openMediaFile(location: Location): Promise<MediaFile> {
  const { handle, identity } = await openInRoots(location);
  return mediaFile(location, handle, identity);
}

/** The file at a place that is in use. */
export async function mediaFileAt(location: Location, place: Place): Promise<MediaFile> {
  return mediaFile(location, await place.openFile(), place.identity);
}

/** Opens a file, runs `task` with it, and closes it. */
export async function withMediaFile<T>(
  location: Location,
  task: (file: MediaFile) => Promise<T>,
): Promise<T> {
  const file = await openMediaFile(location);
  try {
    return await task(file);
  } finally {
    await file.close();
  }
}

function mediaFile(location: Location, handle: FileHandle, identity: Place["identity"]): MediaFile {
  const { name } = location;
  /** Uses of the descriptor that have not ended. Its number could become that of another file while they run. */
  let uses = 0;
  let onUnused: (() => void) | undefined;
  let closed: Promise<void> | undefined;

  async function use<T>(task: () => Promise<T>): Promise<T> {
    if (closed) throw new DOMException("the file was closed", "AbortError");
    uses++;
    try {
      return await task();
    } finally {
      uses--;
      if (uses === 0) onUnused?.();
    }
  }

  async function readFrom(start: number, bytes: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await handle.read(buffer, filled, bytes - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  return {
    size: () => use(async () => (await handle.stat()).size),
    version: () =>
      use(async () => {
        const { dev, ino, size, mtimeNs } = await handle.stat({ bigint: true });
        return [dev, ino, size, mtimeNs].join("-");
      }),
    read: (start, bytes) => use(() => readFrom(start, bytes)),
    readAll: () =>
      use(async () => {
        const { size } = await handle.stat();
        if (size > MAX_READ_BYTES) throw mediaUnsupported(`${name} is larger than ${MAX_READ_BYTES} bytes.`);
        return readFrom(0, size);
      }),
    lend: (task) =>
      use(() =>
        canReopenDescriptors
          ? task({ files: [handle.fd], path: `${OWN_DESCRIPTORS}/${INHERITED}` })
          : lendAnew(location, identity, task),
      ),
    close() {
      closed ??= (async () => {
        if (uses > 0) {
          await new Promise<void>((resolve) => {
            onUnused = resolve;
          });
        }
        await handle.close();
      })();
      return closed;
    },
  };
}

/** True where a process can open its descriptors by name; Windows has no such names. */
const hasDescriptorNames = process.platform !== "win32" && existsSync("/dev/fd");

/**
 * As {@link MediaFile.lend}, for systems where processes that inherit one descriptor share its position: the file is opened
 * again. Throws `media_unreadable` when its path names another file by now.
 */
export async function lendAnew<T>(
  location: Location,
  first: Place["identity"],
  task: (file: LentFile) => Promise<T>,
): Promise<T> {
  const { handle, identity } = await openInRoots(location);
  try {
    if (!isSame(first, identity)) throw replaced(location);
    return hasDescriptorNames
      ? await task({ files: [handle.fd], path: `/dev/fd/${INHERITED}` })
      : await task({ files: [], path: location.path });
  } finally {
    await handle.close();
  }
}
