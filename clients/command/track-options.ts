/** Parses the options of `masklet track` into a job. */
import { extname } from "node:path";
import type { PixelBox } from "../typescript/index.js";
import { UsageError } from "./errors.js";

export const DIRECTIONS = ["forward", "backward", "both"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface Click {
  /** Pixels of the video, or fractions of its size: see coordinates.ts. */
  x: number;
  y: number;
  /** 1 on the object, 0 off it. */
  label: 0 | 1;
}

export interface TrackJob {
  /** The argument: a file, or a folder of pictures. */
  video: string;
  phrases: string[];
  /** Pixels of the video, or fractions of its size: see coordinates.ts. */
  boxes: PixelBox[];
  clicks: Click[];
  /** The frame of boxes, clicks and phrases. */
  atFrame: number;
  direction: Direction;
  /** `-` is standard output. */
  out?: string;
  render?: string;
  server?: string;
  /** For the server. */
  key?: string;
  /** Print a summary as JSON. */
  json?: true;
}

/** The options as commander passes them: text, or lists of text. */
export interface TrackArguments {
  text?: string[];
  box?: string[];
  point?: string[];
  at?: string;
  direction?: string;
  out?: string;
  render?: string;
  server?: string;
  key?: string;
  json?: boolean;
}

const VIDEO_EXTENSIONS = [".mp4", ".mov", ".mkv"];

/** @throws UsageError naming the option, what was seen and what was expected. */
export function readTrackJob(video: string, given: TrackArguments): TrackJob {
  const atFrame = given.at === undefined ? 0 : parseFrame(given.at);
  if (given.key !== undefined && given.server === undefined) {
    throw new UsageError("--key: expected only with --server.");
  }
  const key = readKey(given.key);
  const job: TrackJob = {
    video,
    phrases: (given.text ?? []).map(parsePhrase),
    boxes: (given.box ?? []).map(parseBox),
    clicks: (given.point ?? []).map(parseClick),
    atFrame,
    direction: parseDirection(given.direction ?? (atFrame === 0 ? "forward" : "both")),
    ...(given.out !== undefined && { out: given.out }),
    ...(given.render !== undefined && { render: parseRender(given.render) }),
    ...(given.server !== undefined && { server: parseServer(given.server) }),
    ...(given.server !== undefined && key !== undefined && { key }),
    ...(given.json && { json: true as const }),
  };
  if (job.json && (job.out === "-" || (job.out === undefined && job.render === undefined))) {
    throw new UsageError("--json: expected --out FILE or --render, because frames go to standard output.");
  }
  if (job.phrases.length + job.boxes.length + job.clicks.length === 0) {
    throw new UsageError("Nothing to track: give at least one --text, --box or --point.");
  }
  if (job.clicks.length > 0 && job.clicks.every((click) => click.label === 0) && job.boxes.length !== 1) {
    throw new UsageError("--point: expected at least one point on the object, got only points off it (,0).");
  }
  return job;
}

function parsePhrase(text: string): string {
  const phrase = text.trim();
  if (phrase === "")
    throw new UsageError(`--text: expected a phrase such as "red circle", got an empty one.`);
  return phrase;
}

function parseBox(text: string): PixelBox {
  const numbers = parseNumbers(text);
  const [x, y, width, height] = numbers ?? [];
  if (
    numbers?.length !== 4 ||
    x === undefined ||
    y === undefined ||
    width === undefined ||
    height === undefined
  ) {
    throw new UsageError(
      `--box: expected X,Y,W,H in pixels, such as 40,30,200,120, or as fractions of the frame, such as 0.1,0.2,0.3,0.4, got "${text}".`,
    );
  }
  if (width <= 0 || height <= 0) {
    throw new UsageError(`--box: expected a width and a height above 0, got "${text}".`);
  }
  return [x, y, width, height];
}

function parseClick(text: string): Click {
  const numbers = parseNumbers(text);
  const [x, y, label = 1] = numbers ?? [];
  if (
    numbers === undefined ||
    numbers.length > 3 ||
    x === undefined ||
    y === undefined ||
    (label !== 0 && label !== 1)
  ) {
    throw new UsageError(
      `--point: expected X,Y in pixels or as fractions of the frame, with ,0 for a point off the object, got "${text}".`,
    );
  }
  return { x, y, label };
}

function parseFrame(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new UsageError(`--at: expected a frame number from 0 on, got "${text}".`);
  }
  return Number(text);
}

function parseDirection(text: string): Direction {
  const direction = DIRECTIONS.find((name) => name === text);
  if (!direction) throw new UsageError(`--direction: expected ${DIRECTIONS.join(", ")}, got "${text}".`);
  return direction;
}

function parseRender(text: string): string {
  if (!VIDEO_EXTENSIONS.includes(extname(text).toLowerCase())) {
    throw new UsageError(
      `--render: expected a file name ending in ${VIDEO_EXTENSIONS.join(", ")}, got "${text}".`,
    );
  }
  return text;
}

export function parseServer(text: string): string {
  const scheme = URL.canParse(text) ? new URL(text).protocol : "";
  if (!["ws:", "wss:", "http:", "https:"].includes(scheme)) {
    throw new UsageError(`--server: expected an address such as ws://127.0.0.1:8765, got "${text}".`);
  }
  return text;
}

/** The key of the option, or of the variable, which other users of the machine do not see. */
export function readKey(option: string | undefined): string | undefined {
  const key = option ?? process.env.MASKLET_KEY;
  return key === "" ? undefined : key;
}

/** Undefined unless every part between commas is a finite number. */
function parseNumbers(text: string): number[] | undefined {
  const parts = text.split(",").map((part) => part.trim());
  const numbers = parts.map(Number);
  return parts.every((part, index) => part !== "" && Number.isFinite(numbers[index])) ? numbers : undefined;
}
