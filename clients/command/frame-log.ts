import { type FileHandle, open } from "node:fs/promises";
import type { FrameMessage } from "../typescript/index.js";

/** Frame messages in a file, one JSON line each in the order of arrival, with access by frame index. */
export interface FrameLog {
  append(frame: FrameMessage): Promise<void>;
  /** Undefined for a frame that did not arrive. */
  read(frameIndex: number): Promise<FrameMessage | undefined>;
  close(): Promise<void>;
}

/** Memory holds only the position of each frame; the masks stay on disk. An existing file is truncated. */
export async function openFrameLog(path: string): Promise<FrameLog> {
  const file: FileHandle = await open(path, "w+");
  const places = new Map<number, { offset: number; length: number }>();
  let end = 0;
  return {
    async append(frame) {
      const line = Buffer.from(`${JSON.stringify(frame)}\n`);
      await file.writeFile(line);
      places.set(frame.frame_index, { offset: end, length: line.length });
      end += line.length;
    },
    async read(frameIndex) {
      const place = places.get(frameIndex);
      if (!place) return undefined;
      const line = Buffer.alloc(place.length);
      await file.read(line, 0, place.length, place.offset);
      return JSON.parse(line.toString()) as FrameMessage;
    },
    close: () => file.close(),
  };
}
