/** A drawn clip whose truth is known: a red circle that leaves and returns, and a blue square, on a textured ground. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { encodeMask } from "../../../protocol/index.js";
import { ffmpegPath } from "../../../server/media/binaries.js";

export const WIDTH = 320;
export const HEIGHT = 240;
export const FPS = 25;

export interface Clip {
  frames: number;
  /** First and last frame on which the circle is hidden behind the edge of the picture; undefined: never. */
  away?: readonly [number, number];
}

/** An object of the clip, in pixels. */
export interface Drawn {
  /** Half of its width, and of its height. */
  half: number;
  /** Its centre; far outside while it is away. */
  at(index: number, clip: Clip): [x: number, y: number];
  /** Whether the pixel in column x and row y is part of it. */
  isIn(index: number, clip: Clip): (x: number, y: number) => boolean;
}

export const CIRCLE: Drawn = {
  half: 30,
  at(index, { frames, away }) {
    if (away && index >= away[0] && index <= away[1]) return [-200, 80];
    return [70 + (150 * index) / frames, 80 + 10 * Math.sin(index / 3)];
  },
  isIn(index, clip) {
    const [cx, cy] = CIRCLE.at(index, clip);
    return (x, y) => Math.hypot(x + 0.5 - cx, y + 0.5 - cy) < CIRCLE.half;
  },
};

export const SQUARE: Drawn = {
  half: 28,
  at: (index, { frames }) => [230 - (60 * index) / frames, 175 - (20 * index) / frames],
  isIn(index, clip) {
    const [cx, cy] = SQUARE.at(index, clip);
    return (x, y) => Math.max(Math.abs(x + 0.5 - cx), Math.abs(y + 0.5 - cy)) < SQUARE.half;
  },
};

/** The truth as a mask. */
export function maskOf(isInside: (x: number, y: number) => boolean) {
  const bits = new Uint8Array(WIDTH * HEIGHT);
  bits.forEach((_, at) => {
    bits[at] = isInside(at % WIDTH, Math.floor(at / WIDTH)) ? 1 : 0;
  });
  return encodeMask(bits, WIDTH, HEIGHT);
}

export async function drawFrames(folder: string, clip: Clip): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const names: string[] = [];
  for (let index = 0; index < clip.frames; index++) {
    const [cx, cy] = CIRCLE.at(index, clip);
    const [sx, sy] = SQUARE.at(index, clip);
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
      <rect width="100%" height="100%" fill="#777"/>
      <circle cx="${cx}" cy="${cy}" r="${CIRCLE.half}" fill="#dc1e1e"/>
      <rect x="${sx - SQUARE.half}" y="${sy - SQUARE.half}" width="${2 * SQUARE.half}" height="${2 * SQUARE.half}" fill="#1e1edc"/></svg>`;
    const path = join(folder, `${String(index).padStart(5, "0")}.jpg`);
    writeFileSync(path, await sharp(Buffer.from(svg)).jpeg({ quality: 92 }).toBuffer());
    names.push(path);
  }
  return names;
}

/** WebM, because not every Chromium plays H.264. */
export function encodeVideo(folder: string, path: string): void {
  const input = ["-framerate", String(FPS), "-i", join(folder, "%05d.jpg")];
  const output = ["-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "20", "-pix_fmt", "yuv420p", path];
  execFileSync(ffmpegPath(), ["-v", "error", "-y", ...input, ...output]);
}
