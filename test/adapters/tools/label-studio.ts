/**
 * Label Studio itself, with its page in headless Chromium, against the adapter: `tsx label-studio.ts PYTHON`. Boxes that are drawn by hand
 * become tracks, a moved box in the middle corrects its track, and smart clicks and smart boxes fill all pages of a sequence with masks.
 * The saved annotations are compared with the truth of a drawn clip, in which the circle leaves and returns.
 *
 * Environment: CHROMIUM_PATH; TOOLS_FOLDER, in which the data of Label Studio is kept; SCREENSHOTS, a folder.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { shownBox } from "../../../server/adapters/label-studio/keyframes.js";
import { decodeBrush } from "../../../server/exports/brush.js";
import { maskIou } from "../../../server/exports/mask-sets.js";
import { startServer } from "../../../server/main.js";
import { CIRCLE, type Clip, drawFrames, encodeVideo, FPS, HEIGHT, maskOf, SQUARE, WIDTH } from "./clip.js";
import { createComparison, createOutcome } from "./outcome.js";
import { saveRecording, startRecorder, withoutPeople } from "./recorder.js";
import {
  createProject,
  createTask,
  freePort,
  type Json,
  type Studio,
  startStudio,
  TOKEN,
  uploadFile,
} from "./studio.js";
import {
  chooseNextSmartTool,
  click,
  drag,
  goToFrame,
  logIn,
  openTask,
  predicted,
  press,
  submit,
} from "./studio-page.js";

const LEAST_IOU = 0.75;
const VIDEO = `<View><Labels name="label" toName="video"><Label value="circle"/><Label value="moved"/><Label value="other"/></Labels>
  <Video name="video" value="$video" framerate="${FPS}"/><VideoRectangle name="box" toName="video"/></View>`;
const PAGES = `<View><Image name="image" valueList="$images"/>
  <BrushLabels name="mask" toName="image"><Label value="square"/><Label value="circle"/></BrushLabels>
  <KeyPointLabels name="point" toName="image" smart="true"><Label value="square"/></KeyPointLabels>
  <RectangleLabels name="area" toName="image" smart="true"><Label value="circle"/></RectangleLabels></View>`;

const clip: Clip = { frames: 30, away: [12, 17] };
const pages: Clip = { frames: 6, away: [3, 3] };
/** The frame, counted from 1, on which the box of the second track is moved from the square to the circle. */
const CORRECTED = 23;

const [python = "python3"] = process.argv.slice(2);
const { CHROMIUM_PATH: executablePath, TOOLS_FOLDER = tmpdir(), SCREENSHOTS } = process.env;
const folder = mkdtempSync(join(tmpdir(), "masklet-label-studio-"));
const outcome = createOutcome("Label Studio");

/** A point of the picture in percent. */
const percent = ([x, y]: readonly [number, number]) => ({ x: (100 * x) / WIDTH, y: (100 * y) / HEIGHT });

type Box = readonly [x: number, y: number, width: number, height: number];

/** @returns pixels */
const boxAround = ([x, y]: readonly [number, number], half: number): Box => [
  x - half,
  y - half,
  2 * half,
  2 * half,
];

function boxIou([ax, ay, aw, ah]: Box, [bx, by, bw, bh]: Box): number {
  const across = Math.max(0, Math.min(ax + aw, bx + bw) - Math.max(ax, bx));
  const down = Math.max(0, Math.min(ay + ah, by + bh) - Math.max(ay, by));
  return (across * down) / (aw * ah + bw * bh - across * down);
}

/** Compares a saved track with the circle on the frames from `first` on, counted from 1. Returns the lowest IoU. */
function compareTrack(track: Json, name: string, first: number): string {
  const comparison = createComparison(outcome, name, LEAST_IOU);
  for (let frame = first; frame <= clip.frames; frame++) {
    const shown = shownBox(track.value.sequence, frame);
    const truth = CIRCLE.at(frame - 1, clip);
    const isAway = truth[0] < 0;
    const state = (isGone: boolean) => (isGone ? "gone" : "visible");
    outcome.check(
      (shown === undefined) === isAway,
      `${name}, frame ${frame}: the circle is ${state(isAway)}, and the track is ${state(!shown)}.`,
    );
    if (!shown || isAway) continue;
    const [x, y, width, height] = shown;
    const pixels: Box = [
      (x * WIDTH) / 100,
      (y * HEIGHT) / 100,
      (width * WIDTH) / 100,
      (height * HEIGHT) / 100,
    ];
    comparison.add(`frame ${frame}`, boxIou(pixels, boxAround(truth, CIRCLE.half)));
  }
  return comparison.lowest();
}

async function annotateVideo(page: Page, studio: Studio, backend: string): Promise<void> {
  const frames = join(folder, "frames");
  await drawFrames(frames, clip);
  const path = join(folder, "clip.webm");
  encodeVideo(frames, path);
  const project = await createProject(studio, "masklet video", VIDEO, backend);
  const task = await createTask(studio, project, { video: await uploadFile(studio, project, path) });
  const area = await openTask(page, studio, project, task);
  // The page displays the video at its own size, in the middle.
  const at = ([x, y]: readonly [number, number]) =>
    [area.x + (area.width - WIDTH) / 2 + x, area.y + (area.height - HEIGHT) / 2 + y] as const;
  /** Draws a box and presses the key of its label. */
  const drawAround = async ([x, y]: readonly [number, number], half: number, key: string) => {
    await press(page, "Escape");
    await drag(page, at([x - half, y - half]), at([x + half, y + half]));
    await click(page, at([x, y]));
    await predicted(page, () => press(page, key), { frame: 1, ...percent([x - half, y - half]) });
  };
  await drawAround(CIRCLE.at(0, clip), CIRCLE.half, "1");
  await drawAround(SQUARE.at(0, clip), SQUARE.half, "2");
  await goToFrame(page, CORRECTED);
  const [x, y] = CIRCLE.at(CORRECTED - 1, clip);
  await drag(page, at(SQUARE.at(CORRECTED - 1, clip)), at([x, y]));
  const moved = { frame: CORRECTED, ...percent([x - SQUARE.half, y - SQUARE.half]) };
  // A label that is chosen cannot be pressed again.
  const [answered] = await predicted(page, () => press(page, "3"), moved);
  // A frame between two keyframes on the same line has none of its own.
  const keyframe = answered?.value.sequence.find(({ frame }: Json) => frame >= CORRECTED);
  await predicted(page, () => press(page, "2"), { frame: CORRECTED, x: 0, y: 0, ...keyframe });
  const result = await submit(page, studio, task);
  const tracks = result.filter(({ type }) => type === "videorectangle");
  const labelled = (name: string) => tracks.find(({ value }) => value.labels?.[0] === name);
  outcome.check(
    tracks.length === 2 && labelled("circle") && labelled("moved"),
    `The saved annotation has the tracks ${JSON.stringify(tracks.map(({ value }) => value.labels))}.`,
  );
  if (!labelled("circle") || !labelled("moved")) return;
  const [whole, corrected] = [
    compareTrack(labelled("circle"), "box", 1),
    compareTrack(labelled("moved"), "corrected box", CORRECTED),
  ];
  outcome.report(
    `lowest IoU of boxes in ${clip.frames} frames ${whole}, from a correction on frame ${CORRECTED} on ${corrected}.`,
  );
}

async function annotatePages(page: Page, studio: Studio, backend: string): Promise<void> {
  const names = await drawFrames(join(folder, "pages"), pages);
  const project = await createProject(studio, "masklet pages", PAGES, backend);
  const images: string[] = [];
  for (const name of names) images.push(await uploadFile(studio, project, name));
  const task = await createTask(studio, project, { images });
  const area = await openTask(page, studio, project, task);
  const at = ([x, y]: readonly [number, number]) =>
    [area.x + (x / WIDTH) * area.width, area.y + (y / HEIGHT) * area.height] as const;
  await chooseNextSmartTool(page);
  await chooseNextSmartTool(page);
  // The labels of the brush have the keys 1 and 2.
  await press(page, "3");
  await predicted(page, () => click(page, at(SQUARE.at(0, pages))), percent(SQUARE.at(0, pages)));
  await chooseNextSmartTool(page);
  await press(page, "4");
  const [x, y] = CIRCLE.at(0, pages);
  const half = CIRCLE.half + 2;
  const corner = [x - half, y - half] as const;
  await predicted(page, () => drag(page, at(corner), at([x + half, y + half])), percent(corner));
  const result = (await submit(page, studio, task)).filter(({ type }) => type === "brushlabels");
  const compare = (label: string, isInside: typeof SQUARE.isIn, expected: number[]) => {
    const own = result.filter(({ value }) => value.brushlabels[0] === label);
    const found = own.map(({ item_index }) => item_index).sort((a, b) => a - b);
    outcome.check(String(found) === String(expected), `The ${label} has masks on the pages ${found}.`);
    const comparison = createComparison(outcome, label, LEAST_IOU);
    for (const { item_index, value } of own.filter((region) => expected.includes(region.item_index))) {
      const mask = decodeBrush(value.rle, WIDTH, HEIGHT);
      comparison.add(`page ${item_index + 1}`, maskIou(mask, maskOf(isInside(item_index, pages))));
    }
    return comparison.lowest();
  };
  const every = Array.from({ length: pages.frames }, (_, index) => index);
  const visible = every.filter((index) => CIRCLE.at(index, pages)[0] > 0);
  const [clicked, boxed] = [compare("square", SQUARE.isIn, every), compare("circle", CIRCLE.isIn, visible)];
  outcome.report(
    `lowest IoU of masks on ${pages.frames} pages: by a smart click ${clicked}, by a smart box ${boxed}.`,
  );
}

async function annotate(studio: Studio, backend: string): Promise<void> {
  const browser = await chromium.launch({
    ...(executablePath && { executablePath }),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1500, height: 1000 } });
    if (!(await outcome.part("page", () => logIn(page, studio)))) return;
    for (const [name, work] of Object.entries({ video: annotateVideo, pages: annotatePages })) {
      await outcome.part(name, () => work(page, studio, backend));
      if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
    }
  } finally {
    await browser.close();
  }
}

outcome.finishOnSignal();
await outcome.part("program", async () => {
  const port = await freePort();
  const server = await startServer({
    ...{ port: 0, logLevel: "error", adapters: ["label-studio"] },
    ...{ labelStudioUrl: `http://127.0.0.1:${port}`, labelStudioToken: TOKEN },
  });
  const recorder = await startRecorder(`http://127.0.0.1:${server.port}`);
  // The adapter answers with what it has after 85 seconds.
  outcome.watch(() => recorder.problem(100));
  try {
    const studio = await startStudio(python, join(TOOLS_FOLDER, "label-studio-data"), port);
    try {
      await annotate(studio, `${recorder.url}/label-studio`);
    } finally {
      studio.stop();
    }
    saveRecording("label-studio-1.23.2", recorder.requests, withoutPeople);
  } finally {
    await recorder.close();
    await server.close();
  }
});
rmSync(folder, { recursive: true, force: true });
outcome.finish();
