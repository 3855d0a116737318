import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile, truncate, writeFile } from "node:fs/promises";
import sharp from "sharp";
import { expect, onTestFinished, vi } from "vitest";
import { ffmpegPath } from "../../server/media/binaries.js";
import { openMedia } from "../../server/media/open.js";
import type { MediaSource, OpenMediaOptions } from "../../server/media/source.js";
import { mediaPath } from "./media-folder.js";

export { mediaDirectory, mediaPath } from "./media-folder.js";

/**
 * Generated media. Every picture contains its number as light and dark cells, and a colour in each corner,
 * so that a test can identify the frame and its orientation.
 */

const COLUMNS = 6;
const ROWS = 4;
const BITS = 12;
const CORNERS = {
  red: [220, 30, 30],
  green: [30, 200, 30],
  blue: [30, 30, 220],
  white: [250, 250, 250],
} as const;
export type Corner = keyof typeof CORNERS;

/** Cells in reading order without the corners; the first `BITS` of them hold the number, lowest bit first. */
const CELLS = Array.from({ length: COLUMNS * ROWS }, (_, cell) => cell).filter(
  (cell) => ![0, COLUMNS - 1, COLUMNS * (ROWS - 1), COLUMNS * ROWS - 1].includes(cell),
);

/** Opens media that is closed after the test. */
export async function openInTest(path: string, options?: OpenMediaOptions): Promise<MediaSource> {
  const media = await openMedia(path, options);
  onTestFinished(() => media.close());
  return media;
}

/** `[height, width, 3]` picture number `index`. */
export function paintFrame(index: number, width: number, height: number): Buffer {
  const rgb = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * ROWS) / height);
    const repeatsRow = y > 0 && Math.floor(((y - 1) * ROWS) / height) === row;
    if (repeatsRow) rgb.copyWithin(y * width * 3, (y - 1) * width * 3, y * width * 3);
    else {
      for (let x = 0; x < width; x++) {
        const column = Math.floor((x * COLUMNS) / width);
        rgb.set(cellColour(row * COLUMNS + column, index), (y * width + x) * 3);
      }
    }
  }
  return rgb;
}

/** A red disc on grey, which moves to the right. */
export function paintDisc(index: number, width: number, height: number): Buffer {
  const rgb = Buffer.alloc(width * height * 3, 150);
  const radius = height / 5;
  const centre = { x: width / 2 + 2 * index, y: height / 2 };
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (Math.hypot(x - centre.x, y - centre.y) < radius) rgb.set([220, 40, 40], (y * width + x) * 3);
  return rgb;
}

function cellColour(cell: number, index: number): readonly [number, number, number] {
  if (cell === 0) return CORNERS.red;
  if (cell === COLUMNS - 1) return CORNERS.green;
  if (cell === COLUMNS * (ROWS - 1)) return CORNERS.blue;
  if (cell === COLUMNS * ROWS - 1) return CORNERS.white;
  const bit = CELLS.indexOf(cell);
  const light = bit < BITS ? (index >> bit) & 1 : bit % 2;
  return light ? [210, 210, 210] : [40, 40, 40];
}

/** The number of a picture made by `paintFrame`, at any size. */
export function readFrameNumber(rgb: Uint8Array, width: number, height: number): number {
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const [r, g, b] = cellCentre(rgb, width, height, CELLS[bit] as number);
    if (r + g + b > 3 * 125) number |= 1 << bit;
  }
  return number;
}

/** The colours in the corners: top left, top right, bottom left, bottom right. */
export function readCorners(rgb: Uint8Array, width: number, height: number): Corner[] {
  const columns = width > height ? [0, COLUMNS - 1] : [0, ROWS - 1];
  const rows = width > height ? [0, ROWS - 1] : [0, COLUMNS - 1];
  const [perRow, perColumn] = width > height ? [COLUMNS, ROWS] : [ROWS, COLUMNS];
  return rows.flatMap((row) =>
    columns.map((column) => {
      const x = Math.floor(((column + 0.5) * width) / perRow);
      const y = Math.floor(((row + 0.5) * height) / perColumn);
      const pixel = rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
      const distance = (name: Corner) =>
        CORNERS[name].reduce((sum, v, i) => sum + Math.abs(v - (pixel[i] ?? 0)), 0);
      return (Object.keys(CORNERS) as Corner[]).reduce((a, b) => (distance(a) <= distance(b) ? a : b));
    }),
  );
}

function cellCentre(rgb: Uint8Array, width: number, height: number, cell: number): [number, number, number] {
  const x = Math.floor((((cell % COLUMNS) + 0.5) * width) / COLUMNS);
  const y = Math.floor(((Math.floor(cell / COLUMNS) + 0.5) * height) / ROWS);
  const at = (y * width + x) * 3;
  return [rgb[at] ?? 0, rgb[at + 1] ?? 0, rgb[at + 2] ?? 0];
}

export interface ClipOptions {
  /** File name; its extension selects the container. Each name is encoded once per test file. */
  name: string;
  frames?: number;
  width?: number;
  height?: number;
  fps?: number;
  /** ffmpeg's encoder options; by default H.264 with B-frames and a keyframe every 12 frames. */
  encoder?: string[];
  /** Other output options of ffmpeg. */
  output?: string[];
  /** Presentation time of frame N as a setpts expression in milliseconds, for a variable frame rate. */
  timesMs?: string;
  /** `[height, width, 3]` picture number `index`; `paintFrame` by default. */
  paint?: (index: number, width: number, height: number) => Buffer;
  /** Upper left 2×2 part `[a, b, c, d]` of the display matrix to write into an MP4; each -1, 0 or 1. */
  displayMatrix?: [number, number, number, number];
}

const H264 = [
  "-c:v",
  "libx264",
  "-preset",
  "ultrafast",
  "-bf",
  "2",
  "-b_strategy",
  "0",
  "-g",
  "12",
  "-crf",
  "18",
];
/** By path. */
const clips = new Map<string, Promise<string>>();

/** Encodes a clip of numbered pictures with ffmpeg and returns its path. */
export function makeClip(options: ClipOptions): Promise<string> {
  const path = mediaPath(options.name);
  let clip = clips.get(path);
  if (!clip) {
    clip = encodeClip(options, path);
    clips.set(path, clip);
  }
  return clip;
}

async function encodeClip(options: ClipOptions, path: string): Promise<string> {
  const { frames = 24, width = 96, height = 64, fps = 25, encoder = H264, output = [] } = options;
  const { paint = paintFrame } = options;
  const pixelFormat = encoder.includes("-pix_fmt") || width % 2 || height % 2 ? [] : ["-pix_fmt", "yuv420p"];
  const times = options.timesMs
    ? ["-vf", `settb=1/1000,setpts='${options.timesMs}'`, "-vsync", "0", "-enc_time_base", "1/1000"]
    : [];
  await runFfmpegTool(
    [
      ...[
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        `${width}x${height}`,
        "-r",
        String(fps),
        "-i",
        "pipe:0",
      ],
      ...[...times, ...encoder, ...pixelFormat, ...output, path],
    ],
    (function* () {
      for (let i = 0; i < frames; i++) yield paint(i, width, height);
    })(),
  );
  if (options.displayMatrix) await writeDisplayMatrix(path, options.displayMatrix);
  return path;
}

/** Runs the ffmpeg binary with these arguments, overwriting files, feeding `input` to it. */
export function runFfmpegTool(args: string[], input: Iterable<Buffer> = []): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(ffmpegPath(), ["-hide_banner", "-v", "error", "-y", ...args]);
    let log = "";
    child.stderr.on("data", (data) => {
      log += data;
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`ffmpeg ${args.join(" ")}: ${log}`)),
    );
    child.stdin.on("error", () => {});
    const chunks = input[Symbol.iterator]();
    const feed = () => {
      for (let chunk = chunks.next(); !chunk.done; chunk = chunks.next()) {
        if (!child.stdin.write(chunk.value)) return void child.stdin.once("drain", feed);
      }
      child.stdin.end();
    };
    feed();
  });
}

async function writeDisplayMatrix(
  path: string,
  [a, b, c, d]: [number, number, number, number],
): Promise<void> {
  const file = await readFile(path);
  const matrix = file.indexOf("tkhd") + 4 + 40;
  [a, b, 0, c, d].forEach((value, i) => {
    file.writeInt32BE(value * 0x10000, matrix + i * 4);
  });
  await writeFile(path, file);
}

/** A copy of an MP4 file that ends with its index, with these bytes as comment tag. */
export async function withTag(path: string, name: string, comment: Buffer): Promise<string> {
  const bytes = await readFile(path);
  const moov = bytes.indexOf("moov") - 4;
  if (moov + bytes.readUInt32BE(moov) !== bytes.length)
    throw new Error(`${path} does not end with its index`);
  const box = (type: string, ...content: Buffer[]): Buffer => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(content.reduce((sum, { length }) => sum + length, 8));
    header.write(type, 4, "latin1");
    return Buffer.concat([header, ...content]);
  };
  const handler = box("hdlr", Buffer.alloc(8), Buffer.from("mdirappl"), Buffer.alloc(9));
  const data = box("data", Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]), comment);
  const tags = box("udta", box("meta", Buffer.alloc(4), handler, box("ilst", box("\xa9cmt", data))));
  const copy = mediaPath(name);
  const index = box("moov", bytes.subarray(moov + 8), tags);
  await writeFile(copy, Buffer.concat([bytes.subarray(0, moov), index]));
  return copy;
}

/** A copy of a file that ends after `fraction` of its bytes. */
export async function cutShort(path: string, name: string, fraction: number): Promise<string> {
  const bytes = await readFile(path);
  const copy = mediaPath(name);
  await writeFile(copy, bytes);
  await truncate(copy, Math.floor(bytes.length * fraction));
  return copy;
}

/** An MP4 with sound and no picture. */
export async function makeSound(name = "sound.m4a"): Promise<string> {
  const path = mediaPath(name);
  await runFfmpegTool(["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", path]);
  return path;
}

/** A clip of numbered pictures at 25 frames a second that begin 400 ms after its sound. */
export async function makeLateVideo(name: string, frames: number): Promise<string> {
  const clip = await makeClip({ name: `late-source-${frames}.mkv`, frames });
  const path = mediaPath(name);
  await runFfmpegTool([
    ...["-f", "lavfi", "-i", "sine=duration=1", "-itsoffset", "0.4", "-i", clip],
    ...["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "aac", path],
  ]);
  return path;
}

/** A numbered picture; the extension of the name selects the format. */
export async function makeStill(name: string, index: number, width = 96, height = 64): Promise<string> {
  const path = mediaPath(name);
  await sharp(paintFrame(index, width, height), { raw: { width, height, channels: 3 } }).toFile(path);
  return path;
}

/** A numbered BMP. */
export async function makeBmp(name: string, index: number, width = 96, height = 64): Promise<string> {
  const path = mediaPath(name);
  const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-i", "pipe:0"];
  await runFfmpegTool([...input, "-f", "image2", "-c:v", "bmp", path], [paintFrame(index, width, height)]);
  return path;
}

/** A folder of numbered JPEGs `0.jpg`, `1.jpg`, … without leading zeros. */
export async function makeFrameFolder(
  name: string,
  frames: number,
  width = 96,
  height = 64,
): Promise<string> {
  for (let i = 0; i < frames; i++) await makeStill(`${name}/${i}.jpg`, i, width, height);
  return mediaPath(name);
}

/** Process ids of the ffmpeg and ffprobe processes that this process started, including zombies. */
export function ffmpegChildren(): number[] {
  const processes = processTable();
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isOurs(parents.get(pid)));
  return processes
    .filter(({ parent, name }) => /^ff(mpeg|probe)/.test(name) && isOurs(parent))
    .map(({ pid }) => pid);
}

/** Waits for the end of all ffmpeg and ffprobe processes of this process. A decoder may still read frames beside the last one. */
export async function expectToolsEnd(): Promise<void> {
  await vi.waitFor(() => expect(ffmpegChildren()).toEqual([]), { timeout: 5000 });
}

/** Reads /proc where it exists, because minimal systems have no `ps`. */
function processTable(): { pid: number; parent: number; name: string }[] {
  if (!existsSync("/proc/self/stat")) {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,ucomm="], { encoding: "utf8" })
      .trim()
      .split("\n");
    return lines.map((line) => {
      const [pid, parent, name] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), name: name ?? "" };
    });
  }
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const [, name, parent] =
        /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
      return [{ pid: Number(pid), parent: Number(parent), name: name ?? "" }];
    } catch {
      return []; // The process has ended since the folder was read.
    }
  });
}
