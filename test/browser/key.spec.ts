/** A server with keys: the page asks for one before anything else. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { createKey } from "../../server/keys/key.js";
import { keyLine } from "../../server/keys/key-lines.js";
import { launchChromium, openPage, type TestPage } from "./browser.js";
import { type ServedPage, servePage } from "./serve.js";

const key = createKey();

let server: ServedPage;
let browser: Browser;
let test: TestPage;

beforeAll(async () => {
  const settings = { MASKLET_KEYS: keyLine("ann", key) };
  [server, browser] = await Promise.all([servePage(inject("mediaFolder"), settings), launchChromium()]);
  await server.start();
  test = await openPage(browser, { folder: "key", colorScheme: "light" });
});
afterAll(async () => {
  await browser?.close();
  await server?.dispose();
});

it("connects with a key of the server only", async () => {
  const { page } = test;
  await page.goto(server.url);
  const field = page.getByLabel("Key", { exact: true });
  await field.waitFor();
  // The form is in front of the whole page.
  const cover = await page.locator(".key-layer").boundingBox();
  expect(cover).toEqual({ x: 0, y: 0, width: 1280, height: 720 });
  await test.picture("asked");
  await field.fill("masklet_wrong");
  await field.press("Enter");
  await page.getByText("The server rejected this key.").waitFor();
  await test.picture("rejected");
  // The browser itself reports the answers with status 401.
  await test.takeErrors();
  await field.fill(key);
  await field.press("Enter");
  await page.getByText("Connected").waitFor();
  await field.waitFor({ state: "hidden" });
  await page.getByRole("region", { name: "Files on the server" }).waitFor();
  await test.expectClean("connected");
});
