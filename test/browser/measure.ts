/**
 * Measures the page in Chromium with 50 objects and 10,000 frames: `CHROMIUM_PATH=… npx tsx test/browser/measure.ts [VIDEO]`.
 * The masks come from an engine without a model. Prints one JSON object a line. With `SCRUB_MINUTES`, it then scrubs for so long
 * and prints the memory of the page by its kind.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Page } from "playwright-core";
import { encodeMask } from "../../protocol/index.js";
import { startServer } from "../../server/main.js";
import { ffmpegPath } from "../../server/media/binaries.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { launchChromium, openPage } from "./browser.js";
import { dumpMemory } from "./memory-dump.js";

const OBJECTS = Number(process.env.OBJECTS ?? 50);
const FRAMES = Number(process.env.FRAMES ?? 10_000);
/** The run is paused behind this frame. */
const RUN_FRAMES = Number(process.env.RUN_FRAMES ?? FRAMES);
const SCRUB_MINUTES = Number(process.env.SCRUB_MINUTES ?? 0);
/** The share of the video that people scrub over: the frames with masks. */
const COMPUTED = RUN_FRAMES / FRAMES;
const SIZE = { width: 640, height: 360 };

const folder = mkdtempSync(join(tmpdir(), "masklet-measure-"));
const video = process.argv[2] ?? makeVideo(join(folder, "long.mp4"));

function makeVideo(path: string): string {
  const source = `testsrc2=size=${SIZE.width}x${SIZE.height}:rate=30`;
  const encoder = "-c:v libx264 -preset ultrafast -bf 2 -g 60 -crf 30 -pix_fmt yuv420p".split(" ");
  execFileSync(ffmpegPath(), [
    "-v",
    "error",
    "-f",
    "lavfi",
    "-i",
    source,
    "-frames:v",
    String(FRAMES),
    ...encoder,
    path,
  ]);
  return path;
}

/** A blob of about 60 pixels across that moves with the frame; 90 variants, encoded once. */
const shapes = Array.from({ length: 90 }, (_, at) => {
  const bits = new Uint8Array(SIZE.width * SIZE.height);
  const centre = { x: 40 + (at % 15) * 40, y: 40 + Math.floor(at / 15) * 55 };
  for (let y = 0; y < SIZE.height; y++)
    for (let x = 0; x < SIZE.width; x++) {
      const angle = Math.atan2(y - centre.y, x - centre.x);
      const radius = 24 + 5 * Math.sin(5 * angle + at);
      if (Math.hypot(x - centre.x, y - centre.y) < radius) bits[y * SIZE.width + x] = 1;
    }
  return { mask: encodeMask(bits, SIZE.width, SIZE.height), centre };
});

const engine = createScriptedEngine({
  drawObject(objectId, frameIndex) {
    const { mask, centre } = shapes[
      (objectId * 7 + Math.floor(frameIndex / 3)) % shapes.length
    ] as (typeof shapes)[0];
    const box = [centre.x - 30, centre.y - 30, 60, 60];
    return {
      mask,
      boxXywh: box.map((value, at) => value / (at % 2 === 0 ? SIZE.width : SIZE.height)) as [
        number,
        number,
        number,
        number,
      ],
      judged: {
        score: 0.9,
        suspect: (frameIndex + objectId) % 997 === 0 ? "low_score" : null,
        prompt: { kind: "box", frameIndex: 0 },
      },
    };
  },
});

const server = await startServer(
  {
    port: 0,
    logLevel: "silent",
    mediaRoots: [dirname(video)],
    ...(process.env.WEB_DIR ? { webDir: process.env.WEB_DIR } : {}),
  },
  { engine },
);
const browser = await launchChromium();
const test = await openPage(browser, { folder: "measure" });
const { page } = test;
const print = (what: string, values: object) => console.log(JSON.stringify({ what, ...values }));

async function memory() {
  const heap = await page.evaluate(
    () => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
  );
  let rssMb = 0;
  const children = execFileSync("ps", ["-eo", "pid,ppid,args"], { encoding: "utf8" }).split("\n");
  for (const line of children) {
    const [, pid] = /^\s*(\d+)\s+\d+\s+.*--type=renderer/.exec(line) ?? [];
    if (!pid || !line.includes("--remote-debugging")) continue;
    try {
      rssMb = Math.max(
        rssMb,
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
      );
    } catch {}
  }
  return { heapMb: Math.round(heap / 1e6), rendererRssMb: Math.round(rssMb) };
}

/** Samples each displayed frame of the window while `action` runs. */
async function sampled(action: () => Promise<void>) {
  await page.evaluate(() => {
    const samples: { at: number; label: string; stage: string }[] = [];
    const read = () => {
      const label = document.querySelector("[data-testid=frame-label] strong")?.textContent ?? "";
      const stage = document.querySelector("[data-testid=stage]")?.getAttribute("aria-label") ?? "";
      samples.push({ at: performance.now(), label, stage });
      (globalThis as unknown as { sampling: number }).sampling = requestAnimationFrame(read);
    };
    Object.assign(globalThis, { samples });
    read();
  });
  await action();
  const samples = await page.evaluate(() => {
    cancelAnimationFrame((globalThis as unknown as { sampling: number }).sampling);
    return (globalThis as unknown as { samples: { at: number; label: string; stage: string }[] }).samples;
  });
  const seconds = ((samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0)) / 1000;
  const gaps = samples
    .slice(1)
    .map(({ at }, index) => at - (samples[index]?.at ?? 0))
    .sort((a, b) => a - b);
  const pictures = samples.filter(
    ({ stage }, index) => index > 0 && stage !== samples[index - 1]?.stage,
  ).length;
  const wrong = samples.filter(({ label, stage }) => !stage.startsWith(`Frame ${label} `)).length;
  return {
    displayedPerSecond: Math.round(samples.length / seconds),
    picturesPerSecond: Math.round(pictures / seconds),
    p95GapMs: Math.round(gaps[Math.floor(gaps.length * 0.95)] ?? 0),
    longestGapMs: Math.round(gaps.at(-1) ?? 0),
    labelsThatDiffer: wrong,
  };
}

async function drag(page: Page, from: number, to: number, steps: number, everyMs: number): Promise<void> {
  const ruler = await page.getByRole("slider", { name: "Frame" }).boundingBox();
  if (!ruler) throw new Error("no ruler");
  const at = (share: number) => ruler.x + share * (ruler.width - 2) + 1;
  await page.mouse.move(at(from), ruler.y + 10);
  await page.mouse.down();
  const start = performance.now();
  for (let step = 1; step <= steps; step++) {
    await page.mouse.move(at(from + ((to - from) * step) / steps), ruler.y + 10);
    const wait = start + step * everyMs - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  }
  await page.mouse.up();
}

try {
  await page.goto(`http://127.0.0.1:${server.port}/`);
  await page
    .getByRole("button", { name: new RegExp(video.split("/").at(-1) as string) })
    .first()
    .click();
  await page.getByTestId("stage").waitFor({ timeout: 120_000 });
  print("opened", await memory());
  await page.keyboard.press("b");
  const stage = await page.getByTestId("stage").boundingBox();
  if (!stage) throw new Error("no stage");
  for (let object = 0; object < OBJECTS; object++) {
    const x = stage.x + stage.width * (0.2 + 0.06 * (object % 10));
    const y = stage.y + stage.height * (0.2 + 0.1 * Math.floor(object / 10));
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 25, y + 20);
    await page.mouse.up();
    await page.waitForFunction(
      (count) => Number(document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") ?? 0) >= count,
      object + 1,
    );
  }
  await page.mouse.move(5, 5);
  print("objects", { objects: OBJECTS });
  const run = await sampled(async () => {
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await page.keyboard.press("f");
    await page.getByRole("button", { name: "Pause tracking" }).waitFor();
    // The first frames are drawn as they come; the others arrive while the stage stays at the start.
    await page.waitForTimeout(8_000);
    await page.keyboard.press("Home");
    for (const start = performance.now(); ; ) {
      await page.waitForTimeout(10_000);
      const label = page.locator(".run-label");
      const text = (await label.count()) > 0 ? await label.innerText() : "";
      print("running", {
        seconds: Math.round((performance.now() - start) / 1000),
        text,
        ...(await memory()),
      });
      if (text === "" || Number(/(\d+)$/.exec(text)?.[1] ?? 0) >= RUN_FRAMES - 1) break;
    }
    const pause = page.getByRole("button", { name: "Pause tracking" });
    if (await pause.isVisible()) await pause.click();
    await page.getByRole("button", { name: "Track in both directions" }).waitFor();
  });
  print("run over all frames", { ...run, ...(await memory()) });
  await test.picture("tracked");
  for (const [name, from, to, steps] of [
    ["scrub slowly, 1 pixel a step", 0.1, 0.35, 240],
    ["scrub fast, whole video", 0, 1, 180],
    ["scrub back", 1, 0, 180],
  ] as const) {
    print(name, {
      ...(await sampled(() => drag(page, from * COMPUTED, to * COMPUTED, steps, 16))),
      ...(await memory()),
    });
    await page.waitForTimeout(1000);
  }
  await test.picture("scrubbed");
  const end = performance.now() + SCRUB_MINUTES * 60_000;
  for (let round = 0; performance.now() < end; round++) {
    await drag(page, (round % 3) * 0.3 * COMPUTED, (1 - (round % 2) * 0.5) * COMPUTED, 600, 16);
    print("scrubbing", { round, ...(await memory()), ...(await dumpMemory(browser)) });
  }
  print("errors", { errors: await test.takeErrors() });
} finally {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
