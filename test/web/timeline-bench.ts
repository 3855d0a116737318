/**
 * Measures scrubbing in headless Chromium: `npx tsx test/web/timeline-bench.ts [folder for pictures]`. It needs Chromium at
 * /usr/bin/chromium, or at the path in the variable CHROMIUM.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { createServer } from "vite";

const root = fileURLToPath(new URL("../../clients/web/timeline/bench", import.meta.url));
const pictures = process.argv[2];
const server = await createServer({
  root,
  logLevel: "error",
  server: { port: 0, fs: { strict: false } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
await server.listen();
const address = server.resolvedUrls?.local[0] ?? "";
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-precise-memory-info"],
});

const frameTimes = (page: Page, seconds: number, isRunning: boolean) =>
  page.evaluate(`bench.scrub(${seconds}, ${isRunning})`) as Promise<number[]>;

function report(title: string, times: number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(1);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  console.log(
    `${title}: ${(1000 / mean).toFixed(1)} fps; frame time median ${at(0.5)} ms, 99% ${at(0.99)} ms, longest ${at(1)} ms`,
  );
}

try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  page.on("console", (message) => {
    if (message.type() === "error") console.log("console error:", message.text());
  });
  page.on("pageerror", (error) => console.log("page error:", error.message));
  const open = async (query: string) => {
    await page.goto(`${address}?${query}`);
    await page.waitForSelector(".lane");
    await page.waitForTimeout(300);
  };
  await open("objects=50&frames=10000");
  report("scrubbing, all frames in view", await frameTimes(page, 5, false));
  report("scrubbing during a run", await frameTimes(page, 5, true));
  await page.evaluate("bench.zoomIn()");
  report("scrubbing, zoomed in", await frameTimes(page, 5, false));
  const memory = (await page.evaluate("bench.usedBytes()")) as number;
  console.log(
    `JavaScript heap: ${(memory / 2 ** 20).toFixed(1)} MiB; rows in the document: ${await page.locator(".lane").count()}`,
  );
  if (pictures) {
    for (const theme of ["light", "dark"]) {
      await open(`objects=50&frames=10000&running&theme=${theme}`);
      await page.mouse.move(700, 520);
      await page.screenshot({ path: join(pictures, `timeline-${theme}.png`) });
      await open(`objects=6&frames=300&theme=${theme}`);
      await page.locator(".timeline-ruler").hover();
      for (let turn = 0; turn < 5; turn++) await page.mouse.wheel(0, -100);
      await page.keyboard.down("Shift");
      await page.mouse.move(500, 480);
      await page.mouse.down();
      await page.mouse.move(740, 480);
      await page.mouse.up();
      await page.keyboard.up("Shift");
      await page.waitForTimeout(100);
      await page.screenshot({ path: join(pictures, `timeline-zoomed-${theme}.png`) });
    }
  }
} finally {
  await browser.close();
  await server.close();
}
