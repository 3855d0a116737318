/** Operates the page of Label Studio 1.23 as an annotator does: mouse, keys and buttons. */
import type { Page } from "playwright-core";
import { UnusedAnswer, waitFor } from "./outcome.js";
import { type Json, type Studio, USER } from "./studio.js";

/** A busy machine answers a prediction late. */
const ANSWER_SECONDS = 120;
/** The page handles one gesture before the next. */
const SETTLE_MS = 700;

/** Pixels of the window. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

export async function logIn(page: Page, { url }: Studio): Promise<void> {
  page.setDefaultTimeout(ANSWER_SECONDS * 1000);
  await page.goto(`${url}/user/login/`, { waitUntil: "domcontentloaded" });
  await page.fill("input[name=email]", USER.email);
  await page.fill("input[name=password]", USER.password);
  await page.click("[type=submit]");
  await page.waitForURL((address) => !address.pathname.startsWith("/user/login"), {
    waitUntil: "domcontentloaded",
  });
  // The two switches below the picture.
  await page.evaluate(() => {
    const { localStorage } = globalThis as Json;
    localStorage.setItem("autoAnnotation", "true");
    localStorage.setItem("autoAcceptSuggestions", "true");
  });
}

/** Opens a task. Returns the area on which it is annotated. */
export async function openTask(page: Page, { url }: Studio, project: number, task: number): Promise<Area> {
  await page.goto(`${url}/projects/${project}/data?task=${task}`, { waitUntil: "domcontentloaded" });
  const canvas = page.locator(".konvajs-content").first();
  await canvas.waitFor();
  // The page fits the picture to the window in several steps.
  let before = "";
  return waitFor("picture of a constant size", ANSWER_SECONDS, async () => {
    await page.waitForTimeout(2000);
    const area = await canvas.boundingBox();
    const isSame = JSON.stringify(area) === before;
    before = JSON.stringify(area);
    return area && isSame ? area : undefined;
  });
}

/** Clicks one point. */
export async function click(page: Page, [x, y]: readonly [number, number]): Promise<void> {
  await page.mouse.click(x, y);
  await page.waitForTimeout(SETTLE_MS);
}

export async function press(page: Page, key: string): Promise<void> {
  await page.keyboard.press(key);
  await page.waitForTimeout(SETTLE_MS);
}

/** Drags from one point to another. */
export async function drag(
  page: Page,
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
): Promise<void> {
  await page.mouse.move(x0, y0);
  await page.mouse.down();
  await page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, { steps: 4 });
  await page.mouse.move(x1, y1, { steps: 4 });
  await page.mouse.up();
  await page.waitForTimeout(SETTLE_MS);
}

/** Displays a frame of the video. The first one is 1. */
export async function goToFrame(page: Page, frame: number): Promise<void> {
  const control = page.locator(".lsf-frames-control");
  await control.click();
  await control.locator("input").fill(String(frame));
  await control.locator("input").press("Enter");
  await waitFor(`frame ${frame}`, ANSWER_SECONDS, async () =>
    (await control.textContent())?.startsWith(`${frame} `) ? true : undefined,
  );
  await page.waitForTimeout(SETTLE_MS);
}

/** Chooses the next smart tool: brush, key point, rectangle, in this order. */
export async function chooseNextSmartTool(page: Page): Promise<void> {
  await page.locator("button.lsf-tool_smart:not([aria-label])").click();
  await page.waitForTimeout(SETTLE_MS);
}

/** The annotation as the page has it now. */
const annotationOf = (page: Page): Promise<Json[]> =>
  page.evaluate(
    () => (globalThis as Json).Htx?.annotationStore?.selected?.serializeAnnotation?.() ?? [],
  ) as Promise<Json[]>;

/** The adapter answers with a part of the track before Label Studio gives up. */
const WHOLE_ANSWER_MS = 80_000;

/** Where the annotator has put a mark: x and y in percent of the picture, and the frame of a video, from 1. */
export interface Mark {
  x: number;
  y: number;
  frame?: number;
}

/** In percent of the picture. Mice have whole pixels. */
const SAME_PLACE = 2;

/** True when the page has sent the mark, so that the machine was fast enough for the gesture. */
const contains = (context: Json, { x, y, frame }: Mark): boolean =>
  context.result.some(({ value }: Json) =>
    (frame === undefined ? [value] : value.sequence.filter((one: Json) => one.frame === frame)).some(
      (one: Json) => Math.abs(one.x - x) < SAME_PLACE && Math.abs(one.y - y) < SAME_PLACE,
    ),
  );

/**
 * Waits until the page has the answer of the backend to what `act` does, and has accepted it. Returns the regions of the answer.
 * @throws Error when the page has not sent `mark`, or when the answer was too slow for a whole track; UnusedAnswer when the page shows
 * nothing of it
 */
export async function predicted(page: Page, act: () => Promise<void>, mark: Mark): Promise<Json[]> {
  const startedMs = Date.now();
  const [response] = await Promise.all([
    page.waitForResponse(
      (one) =>
        /interactive-annotating/.test(one.url()) &&
        (one.request().postDataJSON()?.context?.result?.length ?? 0) > 0,
    ),
    act(),
  ]);
  const { context } = response.request().postDataJSON();
  if (!contains(context, mark))
    throw new Error(`The page has not sent the mark ${JSON.stringify(mark)}: ${JSON.stringify(context)}`);
  if (Date.now() - startedMs > WHOLE_ANSWER_MS) throw new Error("The answer was too slow for a whole track.");
  const answer = await response.json();
  const regions: Json[] = answer.data?.result ?? [];
  if (regions.length === 0) throw new UnusedAnswer(`The answer has no regions: ${JSON.stringify(answer)}`);
  await waitFor(
    "accepted answer on the page",
    ANSWER_SECONDS,
    async () => {
      const own = new Map((await annotationOf(page)).map((region) => [region.id, region]));
      const isThere = ({ id, value: { sequence } }: Json) =>
        own.has(id) && (sequence === undefined || own.get(id).value.sequence?.length === sequence.length);
      return regions.every(isThere) ? true : undefined;
    },
    UnusedAnswer,
  );
  await page.waitForTimeout(SETTLE_MS);
  return regions;
}

/** Submits the annotation. Returns its results as Label Studio has saved them. */
export async function submit(page: Page, { api }: Studio, task: number): Promise<Json[]> {
  await page.getByRole("button", { name: "Submit" }).click();
  return waitFor("saved annotation", 60, async () => {
    const [annotation] = await api("GET", `/api/tasks/${task}/annotations/`);
    return annotation?.result;
  });
}
