/** Checks that a frame number means one picture, however the frame is read. */
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { openMedia } from "../../server/media/open.js";
import type { MediaFacts, MediaFrame } from "../../server/media/source.js";
import { readFrameNumber } from "./media.js";

const size = { width: 96, height: 64 };
const pictureOf = ({ rgb }: MediaFrame) => createHash("sha1").update(rgb).digest("hex");

export interface Numbering {
  facts: MediaFacts;
  /** The numbers drawn in the pictures of `makeClip`, in order. */
  numbers: number[];
  timesUs: (number | null)[];
  /** Frames whose picture is damaged. */
  damaged: number[];
}

/**
 * Reads all frames as a stream, and a part of them singly, backward and from the middle. Expects as many frames as announced,
 * each index once, times that ascend, and the same picture under an index each time.
 *
 * @param alone frames that are read singly, besides every seventh one, where they exist
 */
export async function expectOneNumbering(path: string, alone: readonly number[] = []): Promise<Numbering> {
  const media = await openMedia(path);
  try {
    const { facts } = media;
    const { numFrames } = facts;
    const all = { startFrame: 0, count: numFrames + 10, direction: "forward", ...size } as const;
    const frames: MediaFrame[] = [];
    for await (const frame of media.frames(all)) frames.push(frame);
    expect(frames.map(({ index }) => index)).toEqual(Array.from({ length: numFrames }, (_, i) => i));
    const timesUs = frames.map(({ timestampUs }) => timestampUs);
    expect(timesUs).toEqual([...new Set(timesUs)].sort((a, b) => Number(a) - Number(b)));

    const pictures = frames.map(pictureOf);
    const seldom = Math.max(7, Math.ceil(numFrames / 10));
    const single = frames.flatMap(({ index }) => (index % seldom === 0 ? [index] : [])).reverse();
    for (const index of [...single, ...alone.filter((index) => index < numFrames), numFrames - 1]) {
      const frame = await media.frame(index, size);
      expect([index, pictureOf(frame)]).toEqual([index, pictures[index]]);
      expect(frame.damaged).toBe(frames[index]?.damaged);
    }
    const parts = [
      { startFrame: numFrames - 1, count: 40, direction: "backward" },
      { startFrame: Math.floor(numFrames / 2), count: 40, direction: "forward" },
    ] as const;
    for (const part of parts) {
      for await (const frame of media.frames({ ...part, ...size })) {
        expect([frame.index, pictureOf(frame)]).toEqual([frame.index, pictures[frame.index]]);
      }
    }
    return {
      facts,
      numbers: frames.map(({ rgb }) => readFrameNumber(rgb, size.width, size.height)),
      timesUs,
      damaged: frames.flatMap(({ index, damaged }) => (damaged ? [index] : [])),
    };
  } finally {
    await media.close();
  }
}
