// Records the moving picture of the README: a person marks, tracks and corrects objects of the sample clip on the page.
//
//     npm run docs:picture
//
// It needs Chromium, as `npm run test:browser` does. Waiting times are shortened in the picture.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { findChromium } from "../../.ci/chromium.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const OUT = fileURLToPath(new URL("annotate.webp", import.meta.url));
const VIEW = { width: 1280, height: 720 };
const WIDTH = 880;
/** The size of the sample clip, and points of its first frame in its pixels; see `clients/demo/scene.ts`. */
const CLIP = { width: 640, height: 360 };
const PEBBLE = [330, 300];
/** Times in the picture: the shortest of one frame, and the longest, which shortens waiting; that while objects are tracked. */
const MIN_MS = 50;
const MAX_MS = 900;
const TRACKING_MS = 80;
const LAST_MS = 2500;

const executablePath = await findChromium();
if (executablePath === undefined) {
  console.error("There is no Chromium: set CHROMIUM_PATH, or install chromium or google-chrome.");
  process.exit(1);
}

const data = await mkdtemp(join(tmpdir(), "masklet-record-"));
const videos = join(data, "videos");
await mkdir(videos);
const server = spawn(
  process.execPath,
  [
    ...[join(root, "clients/command/masklet.mjs"), "serve", "--port", "0"],
    ...["--data", data, "--no-open", "--media-root", videos],
  ],
  { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
);
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--mute-audio"],
});
try {
  const page = await browser.newPage({ viewport: VIEW, colorScheme: "dark" });
  page.setDefaultTimeout(400_000);
  await page.addInitScript(showPointer);
  const url = await addressOf(server);
  await page.goto(url);
  await page.getByText("Connected").waitFor();
  await sampleListed(page);
  const pictures = await record(page, (longest) => annotate(page, longest));
  await write(pictures);
} finally {
  await browser.close();
  server.kill("SIGKILL");
  await rm(data, { recursive: true, force: true });
}

/** The address that the server prints. */
function addressOf(child) {
  return new Promise((resolve, reject) => {
    let printed = "";
    child.stdout.on("data", (text) => {
      printed += text;
      const found = /Annotate in a browser: (\S+)/.exec(printed);
      if (found) resolve(found[1]);
    });
    child.once("exit", (status) => reject(new Error(`the server ended with ${status}: ${printed}`)));
  });
}

/** Reloads until the sample clip is drawn, which takes some seconds after the first start. */
async function sampleListed(page) {
  for (;;) {
    const sample = page.getByRole("button", { name: /^Sample/ });
    if (await sample.isVisible().catch(() => false)) return;
    await page.waitForTimeout(2000);
    await page.reload();
    await page.getByText("Connected").waitFor();
  }
}

/** What a person does. @param setLongest limits the times of the pictures from now on */
async function annotate(page, setLongest) {
  const pause = (ms) => page.waitForTimeout(ms);
  await pause(500);
  await press(page, page.getByRole("button", { name: /^Sample/ }));
  await page.getByTestId("stage").waitFor();
  await page.getByText(/^Decoding frame/).waitFor({ state: "hidden" });
  await pause(800);

  await clickAt(page, PEBBLE);
  await page.locator(".object-row").first().waitFor();
  await pause(900);
  await press(page, page.getByRole("button", { name: "Got it" }));
  await page.keyboard.press("/");
  await page.keyboard.type("green star", { delay: 60 });
  await page.keyboard.press("Enter");
  await page.locator(".object-row").nth(1).waitFor();
  await pause(900);

  await press(page, page.getByRole("button", { name: "Track in both directions" }));
  setLongest(TRACKING_MS);
  await page.getByText(/^Tracking frame (9\d|1\d\d)/).waitFor();
  await press(page, page.getByRole("button", { name: "Pause" }));
  await page.getByRole("button", { name: "Continue" }).waitFor();
  setLongest(MAX_MS);
  await pause(1000);
}

async function press(page, button) {
  await moveTo(page, button);
  await page.mouse.down();
  await page.mouse.up();
}

/** Moves the pointer as a hand does. */
async function moveTo(page, target) {
  const box = Array.isArray(target) ? undefined : await target.boundingBox();
  const [x, y] = box ? [box.x + box.width / 2, box.y + box.height / 2] : target;
  await page.mouse.move(x, y, { steps: 12 });
  await page.waitForTimeout(250);
}

async function clickAt(page, [x, y]) {
  const stage = await page.getByTestId("stage").boundingBox();
  const scale = Number.parseInt(await page.locator(".zoom-label").innerText(), 10) / 100;
  await moveTo(page, [
    stage.x + stage.width / 2 + (x - CLIP.width / 2) * scale,
    stage.y + stage.height / 2 + (y - CLIP.height / 2) * scale,
  ]);
  await page.mouse.down();
  await page.mouse.up();
}

/** Runs in the page: a picture of the browser contains no pointer. */
function showPointer() {
  addEventListener("DOMContentLoaded", () => {
    const pointer = document.createElement("div");
    pointer.setAttribute("aria-hidden", "true");
    const look = {
      position: "fixed",
      zIndex: "2147483647",
      width: "14px",
      height: "14px",
      pointerEvents: "none",
    };
    const shape = {
      borderRadius: "50%",
      background: "#fff",
      boxShadow: "0 0 0 3px #000a",
      left: "-40px",
      top: "0",
    };
    Object.assign(pointer.style, look, shape, { transform: "translate(-50%, -50%)" });
    document.documentElement.append(pointer);
    addEventListener("mousemove", ({ clientX, clientY }) => {
      Object.assign(pointer.style, { left: `${clientX}px`, top: `${clientY}px` });
    });
    addEventListener("mousedown", () => Object.assign(pointer.style, { background: "#ffd54a" }));
    addEventListener("mouseup", () => Object.assign(pointer.style, { background: "#fff" }));
  });
}

/** The pictures of the page while `act` runs, each with its time in milliseconds, and the longest time to show it. */
async function record(page, act) {
  const pictures = [];
  let longestMs = MAX_MS;
  const devtools = await page.context().newCDPSession(page);
  devtools.on("Page.screencastFrame", ({ data: png, metadata, sessionId }) => {
    pictures.push({ png: Buffer.from(png, "base64"), ms: metadata.timestamp * 1000, longestMs });
    devtools.send("Page.screencastFrameAck", { sessionId }).catch(() => {});
  });
  await devtools.send("Page.startScreencast", { format: "png", everyNthFrame: 1 });
  await act((ms) => {
    longestMs = ms;
  });
  await devtools.send("Page.stopScreencast");
  return pictures;
}

async function write(pictures) {
  const kept = spaced(pictures);
  const delay = kept.map(({ ms, longestMs }, index) => {
    const next = kept[index + 1]?.ms ?? ms + LAST_MS;
    return Math.round(index === kept.length - 1 ? LAST_MS : Math.min(longestMs, Math.max(MIN_MS, next - ms)));
  });
  const frames = await Promise.all(
    kept.map(({ png }) => sharp(png).resize({ width: WIDTH }).png().toBuffer()),
  );
  await sharp(frames, { join: { animated: true } })
    .webp({ loop: 0, delay, quality: 70, effort: 4, minSize: true, mixed: true })
    .toFile(OUT);
  const { size } = await stat(OUT);
  const seconds = delay.reduce((sum, ms) => sum + ms, 0) / 1000;
  console.log(`${OUT}: ${kept.length} pictures, ${seconds.toFixed(1)} s, ${(size / 1e6).toFixed(2)} MB`);
}

/** Without pictures that follow the one before in less than the shortest time; the last one stays. */
function spaced(pictures) {
  const kept = [];
  for (const picture of pictures) {
    if (kept.length > 0 && picture.ms - kept.at(-1).ms < MIN_MS) kept.pop();
    kept.push(picture);
  }
  return kept;
}
