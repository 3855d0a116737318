/** Every view of the page in the other theme and on a tablet: pictures, axe, no errors and no layout that jumps. */
import { basename, dirname } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type Annotator, annotator } from "./annotator.js";
import { launchChromium, openPage, type TestPage } from "./browser.js";
import { type ServedPage, servePage } from "./serve.js";

const scene = inject("scene");

let server: ServedPage;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([servePage(dirname(scene.path)), launchChromium()]);
  await server.start();
});
afterAll(async () => {
  await browser?.close();
  await server?.dispose();
});

describe.each([
  { folder: "dark", colorScheme: "dark", viewport: { width: 1280, height: 720 }, hasTouch: false },
  { folder: "tablet", colorScheme: "light", viewport: { width: 820, height: 1180 }, hasTouch: true },
] as const)("$folder", ({ folder, ...options }) => {
  let test: TestPage;
  let person: Annotator;

  beforeAll(async () => {
    test = await openPage(browser, { folder, ...options, isMobile: options.hasTouch });
    person = annotator(test.page, scene);
  });
  afterAll(() => test?.close());

  const press = (key: string) => test.page.keyboard.press(key);
  const dialog = (name: string | RegExp) => test.page.getByRole("dialog", { name });

  /** A finger held still is a negative click. Takes it back. */
  async function holdToRemove(at: { x: number; y: number }): Promise<void> {
    const finger = await test.context.newCDPSession(test.page);
    await finger.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [at] });
    await test.page.getByText(/^Remove from /).waitFor();
    await finger.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    // Its object is selected when the prompt was answered.
    await expect.poll(() => person.rows.first().getAttribute("aria-selected")).toBe("true");
    await test.page.getByRole("button", { name: "Undo", exact: true }).click();
    await person.notice("Undo: Negative click").waitFor();
  }

  it("opens a video of the server", async () => {
    await test.page.goto(server.url);
    await test.page
      .getByRole("button", { name: basename(scene.path) })
      .first()
      .waitFor();
    await test.expectClean("empty");
    await test.page.getByTestId("file-input").setInputFiles(scene.path);
    await person.opened();
    await test.expectClean("opened");
  });

  it("displays objects and their masks", async () => {
    const [first, second] = scene.points;
    for (const [index, point] of [first, second].entries()) {
      if (options.hasTouch) {
        const { x, y } = await person.onStage(point);
        await test.page.touchscreen.tap(x, y);
      } else if (index === 1) await person.clickByKeyboard(point);
      else await person.click(point);
      await person.rows.nth(index).waitFor();
    }
    await test.expectClean("objects");
    if (options.hasTouch) await holdToRemove(await person.onStage(first));
    const only = person.button("Run only the selected objects");
    expect(await only.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBe(0);
    await person.goTo(5);
    await press("k");
    await expect.poll(async () => (await person.stored(5)).length).toBe(2);
    await person.button("Track in both directions").waitFor();
    await test.expectClean("tracked");
  });

  it("displays its dialogs", async () => {
    await person.button("Export").click();
    await dialog("Export")
      .getByText(/masks of \d+ objects on/)
      .waitFor();
    await test.expectClean("export");
    await press("Escape");
    await press("?");
    await dialog("Keys and pointer").waitFor();
    await test.expectClean("keys");
    await press("Escape");
    await press("Control+k");
    await test.page.getByRole("combobox", { name: "Find a command" }).fill("import");
    await test.expectClean("palette");
    await press("Enter");
    await dialog("Import annotations").getByLabel("Format").selectOption("coco");
    await test.expectClean("import");
    await press("Escape");
    await press("Control+o");
    await dialog("Open a session file").waitFor();
    await test.expectClean("open-session-file");
    await press("Escape");
  });

  it("lists earlier work", async () => {
    await person.saved();
    await person.button("Open another video").click();
    await test.page
      .getByRole("region", { name: "Earlier work" })
      .getByRole("button", { name: /frames/ })
      .first()
      .waitFor();
    await test.expectClean("earlier");
    await person
      .button(/^Delete the work on/)
      .first()
      .click();
    await dialog(/^Delete the work on/).waitFor();
    await test.expectClean("delete");
    await press("Escape");
  });
});
