/**
 * A person's way through the page, from an empty profile: bring a video, a phrase, a click, a box, a run, a correction, edits,
 * undo, export, reload, and a server that is killed. Each step leaves a picture in `test-output/browser`.
 * `MASKLET_BROWSER_THEME=dark` displays the page in the dark theme.
 */
import { isDeepStrictEqual } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { type Annotator, annotator } from "./annotator.js";
import { launchChromium, openPage, type TestPage } from "./browser.js";
import type { Point } from "./scene.js";
import { type ServedPage, servePage } from "./serve.js";

const scene = inject("scene");
const [firstPoint, secondPoint, thirdPoint] = scene.points;

let server: ServedPage;
let browser: Browser;
let test: TestPage;
let person: Annotator;
/** Names of the objects of the click and of the box. */
let clicked: string;
let boxed: string;

beforeAll(async () => {
  [server, browser] = await Promise.all([servePage(inject("mediaFolder")), launchChromium()]);
  await server.start();
  const colorScheme = process.env.MASKLET_BROWSER_THEME === "dark" ? "dark" : "light";
  test = await openPage(browser, { folder: `annotate-${colorScheme}`, colorScheme, acceptDownloads: true });
  person = annotator(test.page, scene);
});
afterAll(async () => {
  await test?.picture("end");
  await browser?.close();
  await server?.dispose();
});

const press = (key: string) => test.page.keyboard.press(key);
const dialog = (name: string) => test.page.getByRole("dialog", { name });

async function newestName(): Promise<string> {
  const selected = person.panel.locator(".object-row[aria-selected=true] .object-name > span").first();
  return selected.innerText();
}

/** The value once two readings in a row are the same. */
async function settled<T>(read: () => Promise<T>): Promise<T> {
  let last = await read();
  await expect
    .poll(async () => {
      const before = last;
      last = await read();
      return isDeepStrictEqual(before, last);
    })
    .toBe(true);
  return last;
}

/** Undoes or redoes, and waits until that is reported. */
async function move(direction: "Undo" | "Redo"): Promise<void> {
  const button = test.page.getByRole("button", { name: direction, exact: true });
  await expect.poll(() => button.isEnabled()).toBe(true);
  await press(direction === "Undo" ? "Control+z" : "Control+y");
  await person
    .notice(new RegExp(`^${direction}: `))
    .last()
    .waitFor();
}

it("opens a video that is dropped", async () => {
  await test.page.goto(server.url);
  await test.page.getByText("Drop a video here").waitFor();
  await test.expectClean("empty");
  await person.drop(scene.path);
  await person.opened();
  await test.expectClean("opened");
});

it("finds objects by a phrase", async () => {
  await press("/");
  await test.page.keyboard.type(scene.phrase);
  await press("Enter");
  await person.notice(new RegExp(`“${scene.phrase}” on this frame`)).waitFor();
  if (scene.findsPhrase) expect(await person.numObjects()).toBeGreaterThan(0);
  await test.expectClean("phrase");
});

it("marks the object that is clicked", async () => {
  await test.page.locator("body").click({ position: { x: 640, y: 20 } });
  const before = await person.numObjects();
  await person.click(firstPoint);
  await expect.poll(() => person.numObjects()).toBe(before + 1);
  clicked = await newestName();
  await test.expectClean("click");
  // The mask on the server is around the pixel of the click on the screen.
  const objects = await person.stored(0);
  const { centre } = objects.at(-1) as (typeof objects)[number];
  if (scene.findsPhrase) {
    expect(Math.abs(centre[0] - firstPoint[0])).toBeLessThan(0.02);
    expect(Math.abs(centre[1] - firstPoint[1])).toBeLessThan(0.03);
  }
});

it("lights up the object that the next press changes", async () => {
  if (!scene.findsPhrase) return;
  const beside: Point = [firstPoint[0] - 0.02, firstPoint[1]];
  await press("Escape");
  await person.point([0.5, 0.97]);
  // The mask of an object that is not selected is paler.
  const pale = await settled(() => person.colourAt(beside));
  await person.point(firstPoint);
  await expect.poll(() => person.colourAt(beside)).not.toEqual(pale);
  await press("q");
  await expect.poll(() => person.colourAt(beside)).toEqual(pale);
});

it("marks the object in a box", async () => {
  const before = await person.numObjects();
  await press("q");
  await press("b");
  const [left, top, right, bottom] = scene.box;
  await person.drag([left, top], [right, bottom]);
  await expect.poll(() => person.numObjects()).toBe(before + 1);
  boxed = await newestName();
  await press("c");
  await test.expectClean("box");
});

it("tracks, while the person scrubs, and pauses", async () => {
  await press("f");
  await person.button("Pause").waitFor();
  await expect.poll(() => person.frame()).toBeGreaterThan(2);
  await test.picture("running");
  // The person moves away: the run goes on, and the picture stays.
  await press("Home");
  const done = test.page.getByText(/^Tracking frame \d+/);
  const numberOf = async () => Number.parseInt((await done.innerText()).replace(/\D+/g, ""), 10);
  const here = await numberOf();
  await expect.poll(numberOf).toBeGreaterThan(here);
  expect(await person.frame()).toBe(0);
  await press("Shift+Space");
  await person.button("Continue").waitFor();
  await test.expectClean("paused");
  // What was computed is stored.
  expect((await person.stored(2)).length).toBeGreaterThan(1);
  await press("Shift+Enter");
  await person.button("Track in both directions").waitFor();
  await person.button("Continue").waitFor({ state: "hidden" });
  await test.expectClean("tracked");
});

it("corrects a frame and computes only what it changed", async () => {
  await person.goTo(12);
  const object = (await person.stored(12)).at(-1);
  expect(object).toBeDefined();
  await person.select(boxed);
  await person.click(object?.centre as [number, number]);
  await person
    .lane(boxed)
    .and(test.page.getByRole("gridcell", { name: /prompts on 2 frames/ }))
    .waitFor();
  const update = person.button("Compute what changed");
  await expect.poll(() => update.isEnabled()).toBe(true);
  await test.expectClean("corrected");
  await press("r");
  await expect.poll(() => update.isEnabled().catch(() => true)).toBe(false);
  await test.expectClean("updated");
});

it("marks an object absent and locks a frame", async () => {
  await press("Shift+Escape");
  await person.goTo(14);
  await press("i");
  await person.goTo(18);
  await press("o");
  await person.select(clicked);
  await test.expectClean("range");
  await press("g");
  await person
    .lane(clicked)
    .and(test.page.getByRole("gridcell", { name: /absent on frames 14 to 18/ }))
    .waitFor();
  await person.goTo(6);
  await press("l");
  await person.button(`Unlock ${clicked} on this frame`).waitFor();
  await test.expectClean("absent-locked");
});

it("renames, recolours and hides an object", async () => {
  await press("F2");
  const field = person.panel.getByLabel(`New name of ${clicked}`);
  await field.fill("ball");
  await field.press("Enter");
  await person.row("ball").waitFor();
  clicked = "ball";
  await person.panel.getByLabel("Colour of ball").fill("#8040ff");
  await press("h");
  await person.button("Show ball").waitFor();
  await test.expectClean("renamed-hidden");
  await press("h");
  await person.button("Hide ball").waitFor();
});

it("merges objects, and undoes and redoes everything", async () => {
  const before = await person.numObjects();
  await person.select(clicked, boxed);
  await press("m");
  await expect.poll(() => person.numObjects()).toBe(before - 1);
  await test.expectClean("merged");
  await move("Undo");
  await expect.poll(() => person.numObjects()).toBe(before);
  await move("Redo");
  await expect.poll(() => person.numObjects()).toBe(before - 1);
  await move("Undo");
  await expect.poll(() => person.numObjects()).toBe(before);
  await person
    .lane(clicked)
    .and(test.page.getByRole("gridcell", { name: /absent on frames 14 to 18/ }))
    .waitFor();
  await test.expectClean("undone");
});

it("exports the chosen objects, after a preview", async () => {
  await person.select(clicked);
  await press("Control+e");
  const chooser = dialog("Export");
  await chooser.getByText(/masks of \d+ objects on/).waitFor();
  await chooser.getByLabel("Frames").fill("0-20");
  await chooser.getByLabel(/^Selected/).check();
  await chooser.getByText(/masks of 1 object on/).waitFor();
  await test.expectClean("export");
  const coco = await person.download(() =>
    chooser.getByRole("button", { name: "Download", exact: true }).click(),
  );
  const { annotations, images } = JSON.parse(String(coco.bytes)) as Record<string, { image_id?: number }[]>;
  // Frames 14 to 18 have no mask of the object.
  expect(annotations).toHaveLength(16);
  expect(images?.length).toBeGreaterThan(15);
  await chooser.getByText(/^Written: /).waitFor();
  await chooser.getByLabel("Format").selectOption({ label: "Video with the masks drawn on it" });
  await chooser.getByText(/in 1 file$/).waitFor();
  await test.expectClean("export-video");
  const video = await person.download(() =>
    chooser.getByRole("button", { name: "Download", exact: true }).click(),
  );
  expect(video.name).toMatch(/\.mp4$/);
  expect(String(video.bytes.subarray(4, 8))).toBe("ftyp");
  await press("Escape");
  await chooser.waitFor({ state: "hidden" });
});

/** The marks of clicks are white crosses on this colour. */
async function expectMark(frame: number, at: Point): Promise<void> {
  await person.goTo(frame);
  await person.point([0.5, 0.97]);
  await expect.poll(() => person.colourAt(at)).toEqual([255, 255, 255]);
}

it("continues after a reload", async () => {
  await expectMark(0, firstPoint);
  await person.goTo(6);
  await person.saved();
  const before = await person.numObjects();
  await test.page.reload();
  await person.opened();
  await expect.poll(() => person.numObjects()).toBe(before);
  await expect.poll(() => person.frame()).toBe(6);
  await person.row("ball").waitFor();
  expect(await person.panel.getByLabel("Colour of ball").inputValue()).toBe("#8040ff");
  await person.button("Unlock ball on this frame").waitFor();
  await test.expectClean("reloaded");
  await expectMark(0, firstPoint);
  await person.goTo(6);
});

it("continues after the server was killed", async () => {
  await person.saved();
  const before = await person.numObjects();
  await server.kill();
  await test.page.getByText(/^The connection is lost/).waitFor();
  await test.picture("lost");
  await server.start();
  await person.notice(/ continues$/).waitFor();
  // The browser itself reports each connection that is refused.
  await test.takeErrors();
  await person.opened();
  await expect.poll(() => person.numObjects()).toBe(before);
  await expect.poll(() => person.frame()).toBe(6);
  await test.expectClean("restored");
  await press("Home");
  await person.opened();
  await press("q");
  await person.click(secondPoint);
  await expect.poll(() => person.numObjects()).toBe(before + 1);
  await person.click(thirdPoint);
  await expect.poll(() => person.numObjects()).toBe(before + 2);
  // In the timeline as well.
  await expect.poll(() => test.page.locator(".timeline .lane").count()).toBe(before + 2);
  await person.goTo(4);
  await press("k");
  await expect.poll(async () => (await person.stored(4)).length).toBeGreaterThan(3);
  await person.button("Track in both directions").waitFor();
  await test.expectClean("continued");
});
