/** Which picture files are animations. */
import { playAnimation } from "./animation.js";
import { openApng } from "./apng.js";
import type { MediaFile } from "./media-file.js";
import { openPages } from "./pages.js";
import type { StillFormat } from "./sniff.js";
import type { MediaSource } from "./source.js";
import type { StillReading } from "./stills.js";

/**
 * Opens a picture file that contains an animation as a video with the times at which browsers show its pictures. Null for
 * a file of one picture.
 */
export async function openAnimation(
  file: MediaFile,
  format: StillFormat,
  reading: StillReading,
): Promise<MediaSource | null> {
  const animation =
    format === "gif" || format === "webp"
      ? await openPages(file, format, reading)
      : format === "png"
        ? await openApng(file, reading.limits, reading.signal)
        : null;
  return animation && playAnimation(animation, reading.limits);
}
