/**
 * X-AnyLabeling itself, in an invisible X server, against the adapter: `tsx x-anylabeling.ts PYTHON`. Types a phrase, clicks,
 * finishes an object, propagates, and compares the saved JSON with the truth of a drawn clip.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rleOfPolygons } from "../../../protocol/index.js";
import { maskIou } from "../../../server/exports/mask-sets.js";
import { startServer } from "../../../server/main.js";
import { type Clip, drawFrames, HEIGHT, isInCircle, isInSquare, maskOf, squareAt, WIDTH } from "./clip.js";

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
const failures: string[] = [];
const check = (holds: boolean, sentence: string) => void (holds || failures.push(sentence));

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

const server = await startServer({
  port: 0,
  logLevel: "error",
  mediaRoots: [folder],
  adapters: ["x-anylabeling"],
});
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
    SERVER: `http://127.0.0.1:${server.port}/x-anylabeling`,
    CLICKS: JSON.stringify({
      on: squareAt(2, clip).map(Math.round),
      off: [20, 220],
      picture: squareAt(0, clip).map(Math.round),
    }),
  });
  const report = JSON.parse(readFileSync(reportPath, "utf8"));
  check(report.ok === true, `The tool stopped: ${report.error}`);
  const lowest = { circle: 1, square: 1 };
  for (let index = 0; index < clip.frames; index++) {
    const file = join(frames, `${String(index).padStart(5, "0")}.json`);
    const { shapes } = JSON.parse(readFileSync(file, "utf8")) as { shapes: SavedShape[] };
    const compare = (name: "circle" | "square", label: string, truth: ReturnType<typeof maskOf>) => {
      const own = shapes.filter((shape) => shape.label === label);
      check(own.length > 0, `Frame ${index} has no "${label}".`);
      const iou = maskIou(
        rleOfPolygons(
          own.slice(0, 1).map(({ points }) => points.flat()),
          [HEIGHT, WIDTH],
        ),
        truth,
      );
      lowest[name] = Math.min(lowest[name], iou);
      check(iou >= LEAST_IOU, `Frame ${index}: "${label}" has an IoU of ${iou.toFixed(3)} with the truth.`);
    };
    compare("circle", "red circle", maskOf(isInCircle(index, clip)));
    if (index >= 2) compare("square", "square", maskOf(isInSquare(index, clip)));
    const groups = shapes.filter(({ label }) => label === "red circle").map(({ group_id }) => group_id);
    check(
      groups.every((group) => group === 1),
      `Frame ${index}: the group of the circle is ${groups}.`,
    );
  }
  console.log(
    `X-AnyLabeling: lowest IoU over ${clip.frames} frames: phrase ${lowest.circle.toFixed(3)}, clicks ${lowest.square.toFixed(3)}.`,
  );
} finally {
  screen.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
if (failures.length > 0) {
  console.log(`X-AnyLabeling failed:\n${failures.join("\n")}`);
  process.exitCode = 1;
}
