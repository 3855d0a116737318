/** A camera with live masks, and its recording as a video. Chromium's fake camera displays a moving disc. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { annotator } from "./annotator.js";
import { launchChromium, openPage, type TestPage } from "./browser.js";
import { type ServedPage, servePage } from "./serve.js";

let server: ServedPage;
let browser: Browser;
let test: TestPage;

beforeAll(async () => {
  const fakeCamera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"];
  [server, browser] = await Promise.all([servePage(inject("mediaFolder")), launchChromium(fakeCamera)]);
  await server.start();
  test = await openPage(browser, { folder: "camera", colorScheme: "dark", permissions: ["camera"] });
});
afterAll(async () => {
  await test?.picture("end");
  await browser?.close();
  await server?.dispose();
});

it("displays live masks and opens the recording", async () => {
  const { page } = test;
  await page.goto(server.url);
  await page.getByText("Connected").waitFor();
  await page.getByRole("button", { name: "Use a camera" }).click();
  const picture = page.getByTestId("camera");
  await picture.waitFor();
  await test.expectClean("camera");
  await picture.click();
  await page.getByText("1 object", { exact: true }).waitFor();
  await test.expectClean("masks");
  await page.getByRole("button", { name: "Stop and open the recording" }).click();
  const person = annotator(page, { width: 640, height: 480 });
  await person.opened();
  await expect.poll(() => person.frame()).toBe(0);
  await test.expectClean("recording");
});
