/**
 * A person's way through the page, from an empty profile: bring a video, a phrase, a click, a box, a run, a correction, edits,
 * undo, export, reload, and a server that is killed. Each step leaves a picture in `test-output/browser`.
 */
import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeClip } from "../../clients/demo/clip.js";
import { actorCentre, CLIP } from "../../clients/demo/scene.js";
import { mediaDirectory, mediaPath } from "../helpers/media.js";
import { launchChromium, openPage, seriousFindings, type TestPage } from "./browser.js";
import { type ServedPage, servePage } from "./serve.js";

let server: ServedPage;
let browser: Browser;
let clip: string;

beforeAll(async () => {
  clip = mediaPath("shapes.mp4");
  [server, browser] = await Promise.all([servePage(mediaDirectory()), launchChromium()]);
  await Promise.all([writeClip(clip, mediaPath("pictures")), server.start()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.dispose();
});

/** Where a pixel of the clip is on the screen. */
async function onStage(page: Page, [x, y]: readonly [number, number]): Promise<{ x: number; y: number }> {
  const box = await page.getByTestId("stage").boundingBox();
  if (!box) throw new Error("the stage is not displayed");
  const scale = Math.min(box.width / CLIP.width, box.height / CLIP.height, fitScale);
  return {
    x: box.x + box.width / 2 + (x - CLIP.width / 2) * scale,
    y: box.y + box.height / 2 + (y - CLIP.height / 2) * scale,
  };
}
/** Corrected by the zoom that the page displays. */
let fitScale = Number.POSITIVE_INFINITY;

async function readScale(page: Page): Promise<void> {
  const text = await page.locator(".zoom-label").innerText();
  fitScale = Number.parseInt(text, 10) / 100;
}

const frameOf = async (page: Page) => Number.parseInt(await page.getByTestId("frame-label").innerText(), 10);
const objects = (page: Page) =>
  page.locator("aside[aria-label=Objects] [role=option], aside[aria-label=Objects] .object-row");

async function expectClean({ page, takeErrors }: TestPage): Promise<void> {
  expect(await seriousFindings(page)).toEqual([]);
  expect(takeErrors()).toEqual([]);
}

describe.each([
  { theme: "light", width: 1280, height: 720 },
  { theme: "dark", width: 1280, height: 720 },
  { theme: "dark", width: 820, height: 1180 },
] as const)("$theme at $width × $height", ({ theme, width, height }) => {
  let test: TestPage;
  let page: Page;
  beforeAll(async () => {
    test = await openPage(browser, {
      folder: `${theme}-${width}`,
      colorScheme: theme,
      viewport: { width, height },
      acceptDownloads: true,
    });
    page = test.page;
  });
  afterAll(() => test?.close());

  it("opens a video", async () => {
    await page.goto(server.url);
    await page.getByText("Drop a video here").waitFor();
    await test.picture("empty");
    await expectClean(test);
    await page.getByTestId("file-input").setInputFiles(clip);
    await page.getByTestId("stage").waitFor();
    await page.locator(".zoom-label").waitFor();
    await readScale(page);
    await test.picture("opened");
    await expectClean(test);
  });

  it("marks objects by phrase, click and box", async () => {
    await page.getByLabel("Find objects by a phrase").fill("blue circle");
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await expect.poll(() => objects(page).count()).toBeGreaterThan(0);
    const found = await objects(page).count();
    await test.picture("phrase");
    const red = await onStage(page, actorCentre("red circle", 0));
    await page.mouse.click(red.x, red.y);
    await expect.poll(() => objects(page).count()).toBe(found + 1);
    await test.picture("click");
    await page.keyboard.press("b");
    const [x, y] = actorCentre("yellow striped square", 0);
    const from = await onStage(page, [x - 42, y - 42]);
    const to = await onStage(page, [x + 42, y + 42]);
    await page.keyboard.press("q");
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(to.x, to.y, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => objects(page).count()).toBe(found + 2);
    await page.keyboard.press("c");
    await test.picture("box");
    await expectClean(test);
  });

  it("tracks the objects, and pauses", async () => {
    await page.keyboard.press("f");
    await expect.poll(() => frameOf(page)).toBeGreaterThan(10);
    await test.picture("running");
    await page.keyboard.press("Shift+Space");
    await page.getByRole("button", { name: /Continue/ }).waitFor();
    await page.keyboard.press("Shift+Enter");
    await page.getByRole("button", { name: /^Track/ }).waitFor();
    await test.picture("tracked");
    await expectClean(test);
  });

  it("exports what a preview displays", async () => {
    await page.keyboard.press("Control+e");
    const dialog = page.getByRole("dialog", { name: "Export" });
    await dialog.getByText(/masks of \d+ objects/).waitFor();
    await test.picture("export");
    await expectClean(test);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      dialog.getByRole("button", { name: "Download" }).click(),
    ]);
    const coco = JSON.parse(await readFile(await download.path(), "utf8")) as { annotations: unknown[] };
    expect(coco.annotations.length).toBeGreaterThan(20);
    await page.keyboard.press("Escape");
  });

  it("lists its keys and finds commands", async () => {
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await test.picture("keys");
    await expectClean(test);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Find a command" }).fill("suspect");
    await test.picture("palette");
    await expectClean(test);
    await page.keyboard.press("Escape");
  });

  it("undoes and carries out again", async () => {
    const before = await objects(page).count();
    await page.keyboard.press("Control+z");
    await expect.poll(() => objects(page).count()).toBe(before - 1);
    await page.keyboard.press("Control+y");
    await expect.poll(() => objects(page).count()).toBe(before);
    expect(test.takeErrors()).toEqual([]);
  });

  it("goes on after a reload, and after the server was killed", async () => {
    const before = await objects(page).count();
    await page.getByText("Saved", { exact: true }).waitFor();
    await page.reload();
    await expect.poll(() => objects(page).count()).toBe(before);
    await test.picture("reloaded");
    expect(test.takeErrors()).toEqual([]);

    await page.getByText("Saved", { exact: true }).waitFor();
    await server.kill();
    await page.getByText(/The connection is lost/).waitFor();
    await test.picture("lost");
    await server.start();
    await page.getByText("goes on").waitFor({ timeout: 30_000 });
    await expect.poll(() => objects(page).count()).toBe(before);
    await test.picture("restored");
    // The browser reports each refused connection itself.
    test.takeErrors();
    await page.keyboard.press("Home");
    const star = await onStage(page, actorCentre("purple heart", 0));
    await page.mouse.click(star.x, star.y);
    await expect.poll(() => objects(page).count()).toBe(before + 1);
    await expectClean(test);
  });
});
