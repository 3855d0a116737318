import type { FrameLog } from "../command/frame-log.js";
import type { Video } from "../command/media.js";
import { drawOutputs } from "../drawing/overlay.js";
import { createOverlayStyle } from "../drawing/overlay-style.js";
import type { SheetTile } from "./contact-sheet.js";

const TILE_COUNT = 12;
/** Tiles are shown at about half their size. */
const EMPHASIS = 1.7;

/** Frames spread evenly over the video, with their masks; the first one also shows the click. */
export async function drawTiles(
  video: Video,
  frames: FrameLog,
  click: [x: number, y: number],
): Promise<SheetTile[]> {
  const { width, height, numFrames } = video.facts;
  const style = createOverlayStyle({ width, height }, EMPHASIS);
  const tiles: SheetTile[] = [];
  for (const index of spreadEvenly(numFrames, TILE_COUNT)) {
    const { rgb } = await video.frame(index, { width, height });
    const picture = { width, height, rgb: rgb.slice() };
    const frame = await frames.read(index);
    if (frame) await drawOutputs(picture, frame.outputs, style);
    tiles.push({ caption: `frame ${index}`, picture, ...(index === 0 && { clicks: [click] }) });
  }
  return tiles;
}

/** Up to `count` of the numbers below `total`, the first and the last among them. */
export function spreadEvenly(total: number, count: number): number[] {
  const steps = Math.min(total, count) - 1;
  return Array.from({ length: steps + 1 }, (_, step) =>
    steps === 0 ? 0 : Math.round((step * (total - 1)) / steps),
  );
}
