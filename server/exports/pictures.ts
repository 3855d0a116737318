/** Pictures and masks by frame, in the order of the frames. */
import { ProtocolError } from "../../protocol/index.js";
import type { ExportPicture, ExportSource } from "./source.js";

export interface PictureReader {
  /** `[height, width, 3]` uint8. The frames must ascend. */
  at(frameIndex: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Reads no picture before the first call of `at`. */
export function readPictures({ pictures }: ExportSource): PictureReader {
  let iterator: AsyncIterator<ExportPicture> | undefined;
  let current: ExportPicture | undefined;
  return {
    async at(frameIndex) {
      if (!pictures)
        throw new ProtocolError("wrong_session_kind", "the pictures of the video are not available");
      iterator ??= pictures()[Symbol.asyncIterator]();
      while (current?.frameIndex !== frameIndex) {
        const next: IteratorResult<ExportPicture> = await iterator.next();
        if (next.done) throw new ProtocolError("media_unreadable", `the video has no frame ${frameIndex}`);
        current = next.value;
      }
      return current.rgb;
    },
    async close() {
      await iterator?.return?.();
    },
  };
}

/** The pixels of a picture with the mask as their alpha: `[height, width, 4]` uint8. */
export function cutOut(rgb: Uint8Array, inside: Uint8Array): Uint8Array {
  const rgba = new Uint8Array(4 * inside.length);
  for (let at = 0; at < inside.length; at++) {
    if (inside[at] !== 1) continue;
    rgba[4 * at] = rgb[3 * at] as number;
    rgba[4 * at + 1] = rgb[3 * at + 1] as number;
    rgba[4 * at + 2] = rgb[3 * at + 2] as number;
    rgba[4 * at + 3] = 255;
  }
  return rgba;
}
