/**
 * X-AnyLabeling itself, in an invisible X server, against the adapter: `tsx x-anylabeling.ts PYTHON`. Types a phrase, clicks,
 * finishes an object, propagates, and compares the saved JSON with the truth of a drawn clip.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rleOfPolygons } from "../../../protocol/index.js";
import { maskIou } from "../../../server/exports/mask-sets.js";
import { startServer } from "../../../server/main.js";
import { CIRCLE, type Clip, drawFrames, HEIGHT, maskOf, SQUARE, WIDTH } from "./clip.js";
import { createComparison, createOutcome } from "./outcome.js";
import { saveRecording, startRecorder, withoutPeople } from "./recorder.js";

/** Of every saved polygon with the truth. */
const LEAST_IOU = 0.8;

interface SavedShape {
  label: string;
  shape_type: string;
  group_id: number | null;
  points: [number, number][];
}

const clip: Clip = { frames: 8 };
const [python = "python3"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "masklet-x-anylabeling-"));
const outcome = createOutcome("X-AnyLabeling");
const { check } = outcome;

/** Starts an X server on a free display. */
async function startDisplay(): Promise<{ display: string; stop(): void }> {
  const xvfb = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "1400x900x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const display = await new Promise<string>((resolve, reject) => {
    xvfb.once("error", reject);
    xvfb.stdout.once("data", (text) => resolve(`:${String(text).trim()}`));
    xvfb.once("exit", (code) => reject(new Error(`Xvfb ended with the status ${code}`)));
  });
  return { display, stop: () => void xvfb.kill() };
}

function runTool(env: Record<string, string>): Promise<void> {
  const driver = fileURLToPath(new URL("x_anylabeling.py", import.meta.url));
  const tool = spawn(python, [driver], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const timer = setTimeout(() => tool.kill("SIGKILL"), 8 * 60_000);
  return new Promise((resolve) =>
    tool.once("exit", () => {
      clearTimeout(timer);
      resolve();
    }),
  );
}

/** Compares the saved JSON of all frames with the truth. */
function compareSaved(frames: string): void {
  const circle = createComparison(outcome, "phrase", LEAST_IOU);
  const square = createComparison(outcome, "clicks", LEAST_IOU);
  for (let index = 0; index < clip.frames; index++) {
    const file = join(frames, `${String(index).padStart(5, "0")}.json`);
    const { shapes } = JSON.parse(readFileSync(file, "utf8")) as { shapes: SavedShape[] };
    const compare = (comparison: typeof circle, label: string, truth: ReturnType<typeof maskOf>) => {
      const own = shapes.filter((shape) => shape.label === label);
      check(own.length > 0, `Frame ${index} has no "${label}".`);
      const outlines = own.slice(0, 1).map(({ points }) => points.flat());
      comparison.add(`frame ${index}`, maskIou(rleOfPolygons(outlines, [HEIGHT, WIDTH]), truth));
    };
    compare(circle, "red circle", maskOf(CIRCLE.isIn(index, clip)));
    if (index >= 2) compare(square, "square", maskOf(SQUARE.isIn(index, clip)));
    const groups = shapes.filter(({ label }) => label === "red circle").map(({ group_id }) => group_id);
    check(
      groups.every((group) => group === 1),
      `Frame ${index}: the group of the circle is ${groups}.`,
    );
  }
  outcome.report(
    `lowest IoU over ${clip.frames} frames: phrase ${circle.lowest()}, clicks ${square.lowest()}.`,
  );
}

async function operate(): Promise<void> {
  const server = await startServer({ port: 0, logLevel: "error", adapters: ["x-anylabeling"] });
  const recorder = await startRecorder(`http://127.0.0.1:${server.port}`);
  outcome.watch(() => recorder.problem(100));
  const screen = await startDisplay();
  try {
    const frames = join(folder, "frames");
    await drawFrames(frames, clip);
    const reportPath = join(folder, "report.json");
    await runTool({
      DISPLAY: screen.display,
      HOME: mkdtempSync(join(folder, "home-")),
      QT_QPA_PLATFORM: "xcb",
      FRAMES: frames,
      REPORT: reportPath,
      SERVER: `${recorder.url}/x-anylabeling`,
      CLICKS: JSON.stringify({
        on: SQUARE.at(2, clip).map(Math.round),
        off: [20, 220],
        picture: SQUARE.at(0, clip).map(Math.round),
      }),
    });
    if (!existsSync(reportPath)) throw new Error("The program ended before it wrote its report.");
    const report = JSON.parse(readFileSync(reportPath, "utf8"));
    if (!report.ok) throw new Error(`${report.error}\n${report.messages.join("\n")}`);
    const [before, after] = report.kept;
    check(
      String(before) === String(after),
      `A click on a picture changed the other shapes from ${before} to ${after}.`,
    );
    compareSaved(frames);
    saveRecording("x-anylabeling-4.2.1", recorder.requests, withoutPeople);
  } finally {
    screen.stop();
    await recorder.close();
    await server.close();
  }
}

outcome.finishOnSignal();
await outcome.part("program", operate);
rmSync(folder, { recursive: true, force: true });
outcome.finish();
