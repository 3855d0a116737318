/** Which picture files are animations. */
import { playAnimation } from "./animation.js";
import { openApng } from "./apng.js";
import { frameLimit } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { openPages } from "./pages.js";
import type { StillFormat } from "./sniff.js";
import type { MediaSource, OpenMediaOptions } from "./source.js";
import type { StillReading } from "./stills.js";
import { checkWebpPictures } from "./webp-pictures.js";

/**
 * Opens a picture file that contains an animation as a video with the times at which browsers show its pictures. Null for
 * a file of one picture.
 */
export async function openAnimation(
  file: MediaFile,
  format: StillFormat,
  reading: StillReading,
  options: Pick<OpenMediaOptions, "signal" | "places">,
): Promise<MediaSource | null> {
  const { limits } = reading;
  const limit = frameLimit(limits, await file.size(), "animation");
  if (format === "webp") await checkWebpPictures(file);
  const animation =
    format === "gif" || format === "webp"
      ? await openPages(file, format, reading)
      : format === "png"
        ? await openApng(file, limits, limit, options)
        : null;
  return animation && playAnimation(animation, limits, limit);
}
