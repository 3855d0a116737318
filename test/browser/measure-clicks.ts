/**
 * Measures the time from a click to its mask on the stage, with the embedded pack:
 * `CHROMIUM_PATH=… npx tsx test/browser/measure-clicks.ts [VIDEO]`. Prints one JSON object a line.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { writeClip } from "../../clients/demo/clip.js";
import { launchChromium, openPage } from "./browser.js";
import { servePage } from "./serve.js";

const CLICKS = Number(process.env.CLICKS ?? 25);
/** Objects in the session while clicks on other frames are measured. */
const OBJECTS = Number(process.env.OBJECTS ?? 50);
const folder = mkdtempSync(join(tmpdir(), "masklet-measure-"));
const video = process.argv[2] ?? join(folder, "shapes.mp4");
if (process.argv[2] === undefined) await writeClip(video);
const [server, browser] = await Promise.all([servePage(dirname(video)), launchChromium()]);
await server.start();
const { page } = await openPage(browser, { folder: "measure-clicks" });

/** Milliseconds from the press to the mask on the stage. @throws Error with the message of the page, when it shows one */
async function click(at: number): Promise<number> {
  const stage = await page.getByTestId("stage").boundingBox();
  if (!stage) throw new Error("the stage is not displayed");
  await page.evaluate(() => performance.clearMeasures());
  // A new object, wherever the click is.
  await page.keyboard.press("q");
  await page.mouse.click(
    stage.x + stage.width * (0.3 + 0.4 * ((at * 0.37) % 1)),
    stage.y + stage.height * (0.2 + 0.6 * ((at * 0.61) % 1)),
  );
  const outcome = await page.waitForFunction(() => {
    const [measure] = performance.getEntriesByName("masklet: mask drawn");
    const message = document.querySelector(".notice.error")?.textContent;
    return measure?.duration ?? message;
  });
  const value = await outcome.jsonValue();
  if (typeof value === "number") return value;
  throw new Error(`the click failed: ${value}`);
}

const numObjects = () =>
  page.evaluate(() => Number(document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") ?? 0));

async function series(what: string, clicks: number, before: () => Promise<void>, after = async () => {}) {
  const times: number[] = [];
  for (let at = 0; at < clicks; at++) {
    await before();
    times.push(await click(at));
    await after();
  }
  times.sort((a, b) => a - b);
  const share = (part: number) =>
    Math.round(times[Math.min(times.length - 1, Math.floor(part * times.length))] ?? 0);
  const objects = await numObjects();
  console.log(
    JSON.stringify({ what, clicks, objects, p50Ms: share(0.5), p95Ms: share(0.95), load: loadavg()[0] }),
  );
}

/** Takes the click back, so that the number of objects stays. */
const undoTo = (objects: number) => async () => {
  await expectObjects(objects + 1);
  await page.keyboard.press("Control+z");
  await expectObjects(objects);
};

const expectObjects = (objects: number) =>
  page.waitForFunction(
    (count) => Number(document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") ?? 0) === count,
    objects,
  );

const rest = (ms: number) => async () => {
  await page.keyboard.press("ArrowRight");
  await page.waitForTimeout(ms);
};

try {
  await page.goto(server.url);
  await page.getByTestId("file-input").setInputFiles(video);
  await page.getByTestId("stage").waitFor();
  await page.waitForTimeout(3000);
  await series("on a frame where the stage rested, one object", CLICKS, rest(600), undoTo(0));
  await page.keyboard.press("Home");
  await page.waitForTimeout(1000);
  await series("again on the same frame, up to the number of objects", OBJECTS, async () =>
    page.waitForTimeout(50),
  );
  await series("on a frame where the stage rested", CLICKS, rest(600), undoTo(OBJECTS));
  await series("on a frame that was just reached", CLICKS, rest(20), undoTo(OBJECTS));
} finally {
  await browser.close();
  await server.dispose();
  rmSync(folder, { recursive: true, force: true });
}
