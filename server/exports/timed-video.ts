/** Pictures with their times, for ffmpeg. */
import { type Channels, timedHeader, timedPictureHeader } from "../media/timed-pictures.js";
import { type ExportFrame, type ExportSource, STILLS_FPS } from "./source.js";

/**
 * The first picture is at time 0, and all others keep their distance from it.
 * @param pictures `[height, width, channels]` uint8
 */
export async function* timedVideo(
  { facts }: ExportSource,
  channels: Channels,
  pictures: AsyncIterable<{ frame: ExportFrame; pixels: Uint8Array }>,
): AsyncGenerator<Uint8Array> {
  yield timedHeader(facts, channels);
  let startUs: number | undefined;
  for await (const { frame, pixels } of pictures) {
    const timeUs = frame.timestampUs ?? (frame.frameIndex * 1e6) / (facts.fps ?? STILLS_FPS);
    startUs ??= timeUs;
    yield timedPictureHeader(pixels.length, timeUs - startUs);
    yield pixels;
  }
}
