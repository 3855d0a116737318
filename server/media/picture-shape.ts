/** How a player displays the stored pictures of a video: their size and the colours of untagged ones. */

export interface Size {
  width: number;
  height: number;
}

/**
 * The size at which a stored picture is displayed, before rotation. One side grows and none shrinks, so that no stored
 * pixel is lost: the width when pixels are wider than high, otherwise the height. Chromium does the same and rounds alike.
 *
 * @param sampleAspectRatio width over height of one pixel as ffprobe prints it, such as "16:15". Pixels are square when it
 * is absent or has a zero.
 */
export function displayedSize({ width, height }: Size, sampleAspectRatio: string | undefined): Size {
  const [across = 0, down = 0] = (sampleAspectRatio ?? "").split(":").map(Number);
  if (!(across > 0 && down > 0)) return { width, height };
  return across > down
    ? { width: Math.round((width * across) / down), height }
    : { width, height: Math.round((height * down) / across) };
}

/** From this many lines on, browsers display untagged video as BT.709. */
const HD_LINES = 720;

const UNTAGGED = new Set([undefined, "unknown", "unspecified", "reserved", "N/A"]);

/**
 * The YUV matrix that the decoder applies in place of its default, BT.601. Null when the video has a tag, which the decoder
 * reads itself, and for small pictures.
 *
 * @param lines height of the displayed picture before rotation
 * @param colourSpace ffprobe's `color_space`
 */
export function assumedMatrix(lines: number, colourSpace: string | undefined): "bt709" | null {
  return UNTAGGED.has(colourSpace) && lines >= HD_LINES ? "bt709" : null;
}
