/** Bad input and lost parts: what the page reports, what it keeps, and how the person goes on. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { type Annotator, annotator } from "./annotator.js";
import { launchChromium, openPage, type TestPage, testPage } from "./browser.js";
import { writeUnplayable } from "./scene.js";
import { type ServedPage, servePage } from "./serve.js";

const scene = inject("scene");
const MAX_UPLOAD_BYTES = 3_000_000;

let server: ServedPage;
let browser: Browser;
let test: TestPage;
let person: Annotator;

beforeAll(async () => {
  writeUnplayable(scene.path, inject("mediaFolder"));
  const settings = { MASKLET_MAX_UPLOAD_BYTES: String(MAX_UPLOAD_BYTES) };
  [server, browser] = await Promise.all([servePage(inject("mediaFolder"), settings), launchChromium()]);
  await server.start();
  test = await openPage(browser, { folder: "trouble", colorScheme: "light" });
  person = annotator(test.page, scene);
  await test.page.goto(server.url);
  await test.page.getByText("Connected").waitFor();
});
afterAll(async () => {
  await test?.picture("end");
  await browser?.close();
  await server?.dispose();
});

const dialog = (name: string) => test.page.getByRole("dialog", { name });

it("refuses files before they are sent", async () => {
  const sent: string[] = [];
  test.page.on("request", (request) => {
    if (request.method() !== "GET" && request.url().includes("/uploads")) sent.push(request.url());
  });
  const input = test.page.getByTestId("file-input");
  const buffer = Buffer.alloc(MAX_UPLOAD_BYTES + 1);
  await input.setInputFiles({ name: "holiday.mp4", mimeType: "video/mp4", buffer });
  await person.notice("3.0 MB is too large").waitFor();
  await person.notice(/accepts uploads of at most 3.0 MB/).waitFor();
  await input.setInputFiles({
    name: "notes.docx",
    mimeType: "application/msword",
    buffer: Buffer.from("notes"),
  });
  await person.notice("notes.docx is not a video").waitFor();
  await input.setInputFiles({ name: "empty.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(0) });
  await person.notice("empty.mp4 is empty").waitFor();
  await test.expectClean("refused");
  expect(sent).toEqual([]);
  // The name is that of a video: only the server can detect that the content is not.
  await input.setInputFiles({ name: "broken.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(5000, 7) });
  await person.notice("broken.mp4 could not be opened").waitFor();
  expect(sent).not.toEqual([]);
  // The browser itself reports the answer with status 4xx.
  await test.picture("broken");
  await test.takeErrors();
});

it("displays a codec that the browser cannot play with pictures of the server", async () => {
  await person.button("old-codec.mp4").click();
  await person.opened();
  // The messages about the other files have ended with the next video.
  expect(await person.notice(/could not be opened|is not a video/).count()).toBe(0);
  await test.page.getByText("Pictures from the server").waitFor();
  await person.goTo(7);
  // The picture is not empty.
  const colours = await test.page.getByTestId("stage").evaluate((canvas) => {
    const context = (canvas as HTMLCanvasElement).getContext("2d") as CanvasRenderingContext2D;
    const { clientWidth: width, clientHeight: height } = canvas;
    const { data } = context.getImageData(width / 2 - 100, height / 2 - 100, 200, 200);
    return new Set(new Uint32Array(data.buffer)).size;
  });
  expect(colours).toBeGreaterThan(20);
  await person.click([scene.points[0][0], scene.points[0][1]]);
  await expect.poll(() => person.numObjects()).toBe(1);
  await test.expectClean("old-codec");
  await person.button("Close old-codec.mp4").click();
});

it("imports what fits and reports the rest", async () => {
  await test.page.getByTestId("file-input").setInputFiles(scene.path);
  await person.opened();
  await person.click(scene.points[0]);
  await expect.poll(() => person.numObjects()).toBe(1);
  const mask = { size: [scene.height, scene.width], counts: [scene.height * 20, scene.height * 30, 0] };
  mask.counts[2] = scene.height * (scene.width - 50);
  const image = (id: number, frame_index: number, size = {}) => ({
    ...{ id, frame_index, file_name: `${frame_index}.jpg`, width: scene.width, height: scene.height },
    ...size,
  });
  const annotation = (id: number, image_id: number, track_id: number) => ({
    ...{ id, image_id, track_id, category_id: 1, segmentation: mask },
  });
  const open = async (name: string, content: string) => {
    await dialog("Import annotations")
      .getByLabel(/^File/)
      .setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(content) });
    await dialog("Import annotations").getByRole("button", { name: "Import" }).click();
  };
  const coco = (images: object[], annotations: object[]) =>
    JSON.stringify({ images, annotations, categories: [{ id: 1, name: "post" }] });

  await test.page.keyboard.press("Control+i");
  await dialog("Import annotations").getByLabel("Format").selectOption("coco");
  await open("damaged.json", "{");
  await dialog("Import annotations")
    .getByText(/expected JSON/)
    .waitFor();
  await test.picture("import-damaged");
  // The annotations of another video: larger pictures, and frames after the end.
  const larger = { width: scene.width * 2, height: scene.height * 2 };
  await open(
    "other-video.json",
    coco([image(1, 0, larger), image(2, 100_000)], [annotation(1, 1, 0), annotation(2, 2, 0)]),
  );
  await dialog("Import annotations")
    .getByText(/nothing was imported/)
    .waitFor();
  await test.picture("import-other-video");
  await test.takeErrors();
  // An object that the session does not have is a new one; the rest is reported.
  await open(
    "part.json",
    coco([image(1, 3), image(2, 4, larger)], [annotation(1, 1, 7), annotation(2, 2, 7)]),
  );
  await dialog("Import annotations")
    .getByText("Imported 1 mask and 0 boxes on 1 frame, for 1 object.")
    .waitFor();
  await dialog("Import annotations")
    .getByText(/1 left out/)
    .waitFor();
  await test.expectClean("import-part");
  await test.page.keyboard.press("Escape");
  await expect.poll(() => person.numObjects()).toBe(2);
  await person.row("post").waitFor();
  expect((await person.stored(3)).map(({ id }) => id)).toEqual([7]);
});

it("lets one of two tabs work, and the other one watch", async () => {
  await person.saved();
  const other = await testPage(test.context, "second-tab");
  const watcher = annotator(other.page, scene);
  await other.page.goto(server.url);
  await other.page
    .getByRole("region", { name: "Earlier work" })
    .getByRole("button", { name: /frames/ })
    .first()
    .click();
  await watcher.opened();
  await other.page.getByText(/^This video is open in another tab/).waitFor();
  await other.expectClean("watching");
  const before = await watcher.numObjects();
  await person.goTo(0);
  await person.click(scene.points[1]);
  await expect.poll(() => watcher.numObjects()).toBe(before + 1);
  // Without the right to change anything: a click is answered by a message.
  await watcher.click(scene.points[2]);
  await watcher.notice(/Take over/).waitFor();
  await other.picture("refused");
  await watcher.button("Take over").click();
  await other.page.getByText(/^This video is open in another tab/).waitFor({ state: "hidden" });
  await test.page.getByText(/^Another tab or computer has taken over/).waitFor();
  await test.expectClean("taken-over");
  await watcher.opened();
  await watcher.click(scene.points[2]);
  await expect.poll(() => watcher.numObjects()).toBe(before + 2);
  await other.close();
  await person.button("Take over").click();
  await expect.poll(() => person.numObjects()).toBe(before + 2);
  await test.expectClean("taken-back");
});

it("reports a server that cannot save", async () => {
  await person.saved();
  await server.kill();
  await test.page.getByText(/^The connection is lost/).waitFor();
  await server.start({ MASKLET_MAX_SAVED_BYTES: "1" });
  await person.notice(/ continues$/).waitFor();
  await person.opened();
  await test.takeErrors();
  await person.click(scene.points[2]);
  await test.page.getByText("Not saved", { exact: true }).waitFor();
  await person.notice(/ is not saved$/).waitFor();
  await test.expectClean("not-saved");
});
