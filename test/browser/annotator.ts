/** The page as a person operates it. */

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Download, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { maskArea } from "../../protocol/rle.js";
import type { Point, Scene } from "./scene.js";

/** An object of a stored result. */
export interface StoredObject {
  id: number;
  /** Pixels. */
  area: number;
  /** Fractions of the picture. */
  centre: Point;
}

export function annotator(page: Page, scene: Pick<Scene, "width" | "height">) {
  const panel = page.getByRole("complementary", { name: "Objects and messages" });
  const rows = panel.locator(".object-row");
  const row = (name: string): Locator => rows.filter({ has: page.getByText(name, { exact: true }) });
  const frameLabel = page.getByTestId("frame-label");

  async function onStage([x, y]: Point): Promise<{ x: number; y: number }> {
    const box = await page.getByTestId("stage").boundingBox();
    if (!box) throw new Error("the stage is not displayed");
    const scale = Number.parseInt(await page.locator(".zoom-label").innerText(), 10) / 100;
    return {
      x: box.x + box.width / 2 + (x - 0.5) * scene.width * scale,
      y: box.y + box.height / 2 + (y - 0.5) * scene.height * scale,
    };
  }

  /** The session whose tab is active, from what the page keeps for its reload. */
  const sessionId = () =>
    page.evaluate(() => {
      const { active } = JSON.parse(sessionStorage.getItem("masklet.tab.v1") ?? "{}") as { active?: string };
      return active;
    });

  return {
    page,
    panel,
    rows,
    row,
    onStage,
    frame: async () => Number.parseInt(await frameLabel.innerText(), 10),
    numObjects: () => rows.count(),
    button: (name: string | RegExp) => page.getByRole("button", { name }),
    notice: (text: string | RegExp) => page.getByRole("region", { name: "Messages" }).getByText(text),
    lane: (name: string) => page.getByRole("gridcell", { name: new RegExp(`^${name}: `) }),

    /** Drops the file on the page. */
    async drop(path: string): Promise<void> {
      const file = { name: basename(path), base64: (await readFile(path)).toString("base64") };
      await page.locator("main.bring").waitFor();
      await page.getByText("Connected").waitFor();
      const transfer = await page.evaluateHandle(({ name, base64 }) => {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        const made = new DataTransfer();
        made.items.add(new File([bytes], name, { type: "video/mp4" }));
        return made;
      }, file);
      await page.dispatchEvent("main.bring", "dragover", { dataTransfer: transfer });
      await page.locator("main.bring.over").waitFor();
      await page.dispatchEvent("main.bring", "drop", { dataTransfer: transfer });
    },
    /** Resolves when a video is open and its picture is drawn. */
    async opened(): Promise<void> {
      await page.getByTestId("stage").waitFor();
      await page.getByText(/^Decoding frame/).waitFor({ state: "hidden" });
    },
    async click(at: Point, options: { modifiers?: ("Alt" | "Shift")[] } = {}): Promise<void> {
      const { x, y } = await onStage(at);
      for (const key of options.modifiers ?? []) await page.keyboard.down(key);
      await page.mouse.click(x, y);
      for (const key of options.modifiers ?? []) await page.keyboard.up(key);
    },
    /** Clicks without a mouse: the arrow keys move the pointer of the stage from its middle, and Space presses. */
    async clickByKeyboard(at: Point): Promise<void> {
      const stage = page.getByTestId("stage");
      await stage.focus();
      const box = await stage.boundingBox();
      if (!box) throw new Error("the stage is not displayed");
      const { x, y } = await onStage(at);
      const across = Math.round((x - box.x - box.width / 2) / 10);
      const down = Math.round((y - box.y - box.height / 2) / 10);
      const press = async (key: string, times: number) => {
        for (let time = 0; time < times; time++) await page.keyboard.press(key);
      };
      await press(across < 0 ? "ArrowLeft" : "ArrowRight", Math.abs(across));
      await press(down < 0 ? "ArrowUp" : "ArrowDown", Math.abs(down));
      await page.keyboard.press("Space");
      await stage.blur();
    },
    /** Red, green and blue of the stage at a point. */
    async colourAt(at: Point): Promise<number[]> {
      const { x, y } = await onStage(at);
      return page.getByTestId("stage").evaluate(
        (element, { x, y }) => {
          const canvas = element as HTMLCanvasElement;
          const { left, top } = canvas.getBoundingClientRect();
          const ratio = window.devicePixelRatio;
          const context = canvas.getContext("2d") as CanvasRenderingContext2D;
          return [...context.getImageData((x - left) * ratio, (y - top) * ratio, 1, 1).data.slice(0, 3)];
        },
        { x, y },
      );
    },
    async point(at: Point): Promise<void> {
      const { x, y } = await onStage(at);
      await page.mouse.move(x, y);
    },
    async drag(from: Point, to: Point): Promise<void> {
      const [start, end] = [await onStage(from), await onStage(to)];
      await page.mouse.move(start.x, start.y);
      await page.mouse.down();
      await page.mouse.move((start.x + end.x) / 2, (start.y + end.y) / 2);
      await page.mouse.move(end.x, end.y);
      await page.mouse.up();
    },
    /** Moves to a frame with the keyboard. */
    async goTo(frame: number): Promise<void> {
      await page.keyboard.press("Home");
      for (let ten = 0; ten < Math.floor(frame / 10); ten++) await page.keyboard.press("Shift+ArrowRight");
      for (let one = 0; one < frame % 10; one++) await page.keyboard.press("ArrowRight");
      await expect.poll(() => this.frame()).toBe(frame);
      await page.getByText(/^Decoding frame/).waitFor({ state: "hidden" });
    },
    async select(...names: readonly string[]): Promise<void> {
      const [first, ...others] = names;
      await row(first as string).click();
      for (const name of others) await row(name).click({ modifiers: ["Control"] });
    },
    /** Resolves when the changes are in a file on the server. */
    saved: () => page.getByText("Saved", { exact: true }).waitFor(),
    async download(press: () => Promise<void>): Promise<{ name: string; bytes: Buffer }> {
      const [download] = (await Promise.all([page.waitForEvent("download"), press()])) as [Download, unknown];
      return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
    },
    /** What the server has stored for a frame of the active session. */
    async stored(frame: number): Promise<StoredObject[]> {
      const id = await sessionId();
      const url = new URL(
        `v1/sessions/${id}/results?first=${frame}&last=${frame}&mask_format=rle`,
        page.url(),
      );
      const text = await (await fetch(url)).text();
      if (text.trim() === "") return [];
      const { outputs } = JSON.parse(text) as {
        outputs: {
          out_obj_ids: number[];
          out_boxes_xywh: number[][];
          out_binary_masks: { size: [number, number]; counts: string }[];
        };
      };
      return outputs.out_obj_ids.map((objectId, index) => {
        const [x = 0, y = 0, w = 0, h = 0] = outputs.out_boxes_xywh[index] ?? [];
        const mask = outputs.out_binary_masks[index];
        return { id: objectId, area: mask ? maskArea(mask) : 0, centre: [x + w / 2, y + h / 2] };
      });
    },
  };
}

export type Annotator = ReturnType<typeof annotator>;
