/**
 * The notebooks of SAM 3 and SAM 2 with the Python client in place of Meta's predictors: `tsx sam3.ts PYTHON`. The visualisation
 * functions of PyPI's `sam3` draw the answers, and masks and drawn pixels are compared with the truth of a drawn clip.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { startServer } from "../../../server/main.js";
import { ffmpegPath } from "../../../server/media/binaries.js";
import { encodeVideo, HEIGHT, WIDTH } from "./clip.js";
import { createOutcome } from "./outcome.js";

const FRAMES = 10;
const MAX_MS = 9 * 60_000;

type Circle = [x: number, y: number, radius: number];

/** The notebook removes the object with the id 2, so it needs three. sam3 draws the first one in red, so they are blue. */
const circlesAt = (index: number): Circle[] => [
  [60 + 4 * index, 70, 30],
  [230 - 3 * index, 70 + 2 * index, 26],
  [110 + 5 * index, 180, 28],
];

interface Report {
  failures: string[];
  /** The lowest IoU of each comparison. */
  lowest: Record<string, number>;
  torch: boolean;
  error?: string;
}

const [python = "python3"] = process.argv.slice(2);
const clients = fileURLToPath(new URL("../../../clients/python/src", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "masklet-sam3-"));
const outcome = createOutcome("SAM 3 notebooks");

async function drawClip(frames: string, video: string, truth: string): Promise<void> {
  mkdirSync(frames);
  for (let index = 0; index < FRAMES; index++) {
    const circles = circlesAt(index).map(
      ([x, y, radius]) => `<circle cx="${x}" cy="${y}" r="${radius}" fill="#1e1edc"/>`,
    );
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
      <rect width="100%" height="100%" fill="#777"/>${circles.join("")}</svg>`;
    const jpeg = await sharp(Buffer.from(svg)).jpeg({ quality: 95 }).toBuffer();
    writeFileSync(join(frames, `${String(index).padStart(5, "0")}.jpg`), jpeg);
  }
  encodeVideo(frames, video);
  writeFileSync(truth, JSON.stringify(Array.from({ length: FRAMES }, (_, index) => circlesAt(index))));
}

/** `save_masklet_video` runs the program ffmpeg. */
function withFfmpeg(): string {
  const programs = join(folder, "programs");
  mkdirSync(programs);
  symlinkSync(ffmpegPath(), join(programs, "ffmpeg"));
  return [programs, process.env.PATH].join(delimiter);
}

async function operate(): Promise<void> {
  const paths = {
    frames: join(folder, "frames"),
    video: join(folder, "clip.webm"),
    truth: join(folder, "truth.json"),
    report: join(folder, "report.json"),
  };
  await drawClip(paths.frames, paths.video, paths.truth);
  const server = await startServer({ port: 0, logLevel: "error" });
  try {
    const { MASKLET_KEY: _, ...environment } = process.env;
    const env = {
      ...environment,
      PYTHONPATH: clients,
      PATH: withFfmpeg(),
      HOME: folder,
      MASKLET_URL: `ws://127.0.0.1:${server.port}`,
      ...{ FRAMES: paths.frames, VIDEO: paths.video, TRUTH: paths.truth, REPORT: paths.report },
    };
    const script = fileURLToPath(new URL("sam3_notebooks.py", import.meta.url));
    await promisify(execFile)(python, [script], { cwd: folder, env, timeout: MAX_MS, maxBuffer: 1e8 });
    const { failures, lowest, torch, error } = JSON.parse(readFileSync(paths.report, "utf8")) as Report;
    for (const failure of failures) outcome.check(false, failure);
    outcome.check(error === undefined, `The notebooks raise an error:\n${error}`);
    const values = Object.entries(lowest).map(([name, iou]) => `${name} ${iou.toFixed(3)}`);
    outcome.report(`lowest IoU over ${FRAMES} frames: ${values.join("; ")}.`);
    outcome.report(`sam3's functions ran with ${torch ? "torch" : "arrays in place of torch"}.`);
  } finally {
    await server.close();
  }
}

await outcome.part("notebooks", operate);
rmSync(folder, { recursive: true, force: true });
outcome.finish();
