/** The media of the checks: pictures, archives and videos of a moving square, made in memory. */
import sharp from "sharp";
import { type MovieOptions, movie } from "./movie.js";

export const WIDTH = 96;
export const HEIGHT = 64;
const SIDE = 24;

/** Left and top edge of the square on a frame. */
export const squareAt = (index: number): [x: number, y: number] => [10 + 4 * index, 20];

/** The square as a polygon in pixels, for mask prompts. */
export function squarePolygon(index: number): number[] {
  const [x, y] = squareAt(index);
  return [x, y, x + SIDE, y, x + SIDE, y + SIDE, x, y + SIDE];
}

/** A second place, which never overlaps the square. */
export const otherPolygon = (index: number): number[] => {
  const x = 6 + 2 * index;
  return [x, 48, x + 12, 48, x + 12, 60, x, 60];
};

/** The middle of the square, relative to the frame. */
export function squareCentre(index: number): [number, number] {
  const [x, y] = squareAt(index);
  return [(x + SIDE / 2) / WIDTH, (y + SIDE / 2) / HEIGHT];
}

export const squareBox = (index: number): [number, number, number, number] => {
  const [x, y] = squareAt(index);
  return [x / WIDTH, y / HEIGHT, SIDE / WIDTH, SIDE / HEIGHT];
};

/** RGB pixels of a frame: a red square on a blue gradient. */
function paint(index: number, width: number, height: number): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  const [x0, y0] = squareAt(index);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = x >= x0 && x < x0 + SIDE && y >= y0 && y < y0 + SIDE;
      const other = y >= 48 && y < 60 && x >= 6 + 2 * index && x < 18 + 2 * index;
      pixels.set(
        inside ? [230, 30, 30] : other ? [30, 220, 60] : [20, 40 + y, 90 + (x >> 1)],
        (y * width + x) * 3,
      );
    }
  }
  return pixels;
}

export function picture(
  index: number,
  format: "png" | "jpeg" | "webp" | "gif" | "tiff" = "png",
  [width, height]: readonly [number, number] = [WIDTH, HEIGHT],
): Promise<Buffer> {
  const image = sharp(paint(index, width, height), { raw: { width, height, channels: 3 } });
  return image.toFormat(format, format === "jpeg" ? { quality: 92 } : {}).toBuffer();
}

/** A JPEG whose EXIF data request a rotation by 90 degrees. */
export async function rotatedPicture(): Promise<Buffer> {
  return sharp(await picture(0, "jpeg"))
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
}

/** An animation of `delays.length` pictures. Delays are in milliseconds. */
export async function animation(format: "gif" | "webp", delays: readonly number[]): Promise<Buffer> {
  const pages = await Promise.all(delays.map((_, index) => paint(index, WIDTH, HEIGHT)));
  return sharp(Buffer.concat(pages), {
    raw: { width: WIDTH, height: HEIGHT * delays.length, channels: 3, pageHeight: HEIGHT },
  })
    .toFormat(format, { delay: [...delays] })
    .toBuffer();
}

/** A QuickTime movie of JPEG frames. */
export async function clip(frames: number, options: Partial<MovieOptions> = {}): Promise<Buffer> {
  const samples = await Promise.all(Array.from({ length: frames }, (_, index) => picture(index, "jpeg")));
  return movie({ samples, width: WIDTH, height: HEIGHT, durationMs: 100, ...options });
}

/** An uncompressed Y4M video of grey frames. */
export function y4m(frames: number): Buffer {
  const frame = Buffer.alloc((WIDTH * HEIGHT * 3) / 2, 0x80);
  return Buffer.concat([
    Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`),
    ...Array.from({ length: frames }, () => [Buffer.from("FRAME\n"), frame]).flat(),
  ]);
}

/** The start of a JPEG, without a picture. */
export const DAMAGED = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
