/**
 * Masks as pixels of the frame, painted from their runs. Much faster than outlines, which are smoother: it is used for many
 * objects while the frame changes.
 */
import { unpackTurns } from "../../../protocol/packed-mask.js";
import type { Size } from "./coordinates.js";

export interface RasterMask {
  readonly mask: Uint8Array;
  /** `#rrggbb`. */
  readonly colour: string;
  /** 0 to 1. */
  readonly opacity: number;
}

/** RGBA with 8 bits each, in the order of memory of a little-endian machine. @param opacity 0 to 1 */
export function pixelOf(colour: string, opacity: number): number {
  const rgb = Number.parseInt(colour.slice(1), 16);
  const [r, g, b] = [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
  return ((Math.round(opacity * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * Paints a mask; the first and the last pixel of each run are opaque, as an outline.
 * @param pixels `[height, width]`, see `pixelOf`
 * @throws RangeError when the mask has another size
 */
export function paintMask(pixels: Uint32Array, frame: Size, { mask, colour, opacity }: RasterMask): void {
  const {
    turns,
    size: [height, width],
  } = unpackTurns(mask);
  if (width !== frame.width || height !== frame.height) {
    throw new RangeError(`mask: expected ${frame.width} × ${frame.height} pixels, got ${width} × ${height}`);
  }
  const inside = pixelOf(colour, opacity);
  const edge = pixelOf(colour, 1);
  for (let at = 0; at + 1 < turns.length; at += 2) {
    const start = turns[at] as number;
    const end = turns[at + 1] as number;
    let column = Math.floor(start / height);
    let row = start - column * height;
    for (let position = start; position < end; position++) {
      const isEdge = position === start || position === end - 1 || row === 0 || row === height - 1;
      pixels[row * width + column] = isEdge ? edge : inside;
      if (++row === height) {
        row = 0;
        column++;
      }
    }
  }
}

let canvas: OffscreenCanvas | undefined;
let image: ImageData | undefined;

/** Draws the masks over the frame, which is at 0, 0 of the context. Later masks cover earlier ones. */
export function drawRaster(
  context: CanvasRenderingContext2D,
  frame: Size,
  masks: Iterable<RasterMask>,
): void {
  const { width, height } = frame;
  canvas ??= new OffscreenCanvas(1, 1);
  if (canvas.width !== width || canvas.height !== height || !image) {
    canvas.width = width;
    canvas.height = height;
    image = new ImageData(width, height);
  }
  const pixels = new Uint32Array(image.data.buffer);
  pixels.fill(0);
  for (const mask of masks) paintMask(pixels, frame, mask);
  (canvas.getContext("2d") as OffscreenCanvasRenderingContext2D).putImageData(image, 0, 0);
  context.drawImage(canvas, 0, 0);
}
