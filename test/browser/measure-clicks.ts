/** Measures the time from a click to its mask, with the embedded pack: `CHROMIUM_PATH=… npx tsx test/browser/measure-clicks.ts`. */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { writeClip } from "../../clients/demo/clip.js";
import { CLIP } from "../../clients/demo/scene.js";
import { launchChromium, openPage } from "./browser.js";
import { servePage } from "./serve.js";
import { readStage } from "./stage.js";

const CLICKS = Number(process.env.CLICKS ?? 25);
const folder = mkdtempSync(join(tmpdir(), "masklet-measure-"));
const clip = join(folder, "shapes.mp4");
await writeClip(clip);
const [server, browser] = await Promise.all([servePage(folder), launchChromium()]);
await server.start();
const { page } = await openPage(browser, { folder: "measure-clicks" });

/** Milliseconds of the prompts since the last call: from the click to the mask in the results of the page. */
async function takeTimes(): Promise<number[]> {
  return page.evaluate(() => {
    const found = performance.getEntriesByName("masklet: prompt answered").map(({ duration }) => duration);
    performance.clearMeasures();
    return found;
  });
}

async function series(what: string, before: () => Promise<void>): Promise<void> {
  const times: number[] = [];
  const stage = readStage(page, CLIP);
  for (let at = 0; at < CLICKS; at++) {
    await before();
    const { x, y } = await stage.at(0.1 + 0.8 * ((at * 0.37) % 1), 0.1 + 0.8 * ((at * 0.61) % 1));
    await page.mouse.click(x, y);
    await page.waitForFunction(() => performance.getEntriesByName("masklet: prompt answered").length > 0);
    times.push(...(await takeTimes()));
  }
  times.sort((a, b) => a - b);
  const share = (part: number) =>
    Math.round(times[Math.min(times.length - 1, Math.floor(part * times.length))] ?? 0);
  console.log(
    JSON.stringify({ what, clicks: times.length, p50Ms: share(0.5), p95Ms: share(0.95), load: loadavg()[0] }),
  );
}

try {
  await page.goto(server.url);
  await page.getByTestId("file-input").setInputFiles(clip);
  await page.getByTestId("stage").waitFor();
  await page.waitForTimeout(3000);
  await series("again on the same frame", async () => page.waitForTimeout(100));
  await series("on a frame where the stage rested for half a second", async () => {
    await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(500);
  });
  await series("on a frame that was just reached", async () => {
    await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(20);
  });
} finally {
  await browser.close();
  await server.dispose();
  rmSync(folder, { recursive: true, force: true });
}
