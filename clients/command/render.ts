import { rm } from "node:fs/promises";
import { openEncoder } from "../drawing/encode.js";
import { drawOutputs } from "../drawing/overlay.js";
import { createOverlayStyle } from "../drawing/overlay-style.js";
import type { FrameLog } from "./frame-log.js";
import { unevenTimesUs } from "./frame-times.js";
import { ffmpegPath, passthroughOptions, type Video } from "./media.js";

/** Frames per second of folders of pictures, which have no rate. */
export const STILLS_FPS = 30;

export interface RenderOptions {
  /** Read with the server's code, so that frame numbers and orientation are the same. */
  video: Video;
  frames: FrameLog;
  path: string;
  onFrame?: () => void;
  signal?: AbortSignal;
}

/**
 * Writes the whole video with the masks of every frame drawn over it, at its own size, without sound. Every frame keeps its
 * time, counted from the first one. Frames that were not tracked have no masks. An unfinished file is removed.
 */
export async function renderOverlay({ video, frames, path, onFrame, signal }: RenderOptions): Promise<void> {
  const { width, height, numFrames, fps } = video.facts;
  const style = createOverlayStyle({ width, height });
  const timesUs = unevenTimesUs(video);
  const binary = ffmpegPath();
  const rate = timesUs ? { passthrough: await passthroughOptions(binary) } : (fps ?? STILLS_FPS);
  const encoder = openEncoder(path, { width, height, fps: rate, ffmpegPath: binary });
  let finished = false;
  try {
    const range = { startFrame: 0, count: numFrames, direction: "forward", width, height } as const;
    for await (const { index, rgb } of video.frames({ ...range, ...(signal && { signal }) })) {
      // The decoder may reuse its buffer.
      const picture = { width, height, rgb: rgb.slice() };
      const frame = await frames.read(index);
      if (frame) await drawOutputs(picture, frame.outputs, style);
      await encoder.write(picture.rgb, timesUs?.[index]);
      onFrame?.();
    }
    await encoder.finish();
    finished = true;
  } finally {
    await encoder.abort();
    if (!finished) await rm(path, { force: true });
  }
}
