/** Reads what the stage of the page displays. */
import type { Page } from "playwright-core";
import { fitView } from "../../clients/web/stage/coordinates.js";
import type { Pixels } from "./numbered-scene.js";

/** Pictures are read at this part of the size of the video: it is enough for numbers and masks. */
const SCALE = 0.5;

export interface StageReader {
  /** Waits until the stage displays this frame, and reads its part with the video, at half the size of the video. */
  read(frame: number): Promise<Pixels & { label: string }>;
  /** Where a point of the upright picture, 0 to 1, is in the window. */
  at(x: number, y: number): Promise<{ x: number; y: number }>;
}

/** @param size of the upright picture */
export function readStage(page: Page, size: { width: number; height: number }): StageReader {
  const canvas = page.getByTestId("stage");

  async function place() {
    const box = await canvas.boundingBox();
    if (!box) throw new Error("the stage is not displayed");
    return { box, view: fitView(box, size) };
  }

  const read = { width: Math.round(size.width * SCALE), height: Math.round(size.height * SCALE) };

  return {
    async read(frame) {
      const { view } = await place();
      const part = { x: view.x, y: view.y, width: size.width * view.scale, height: size.height * view.scale };
      const { base64, label } = await page.evaluate(
        async ({ frame, part, read }) => {
          const displayed = () => new Promise((resolve) => requestAnimationFrame(resolve));
          const find = (id: string) => document.querySelector(`[data-testid=${id}]`);
          const isReached = () => find("stage")?.getAttribute("aria-label")?.startsWith(`Frame ${frame} `);
          for (const start = performance.now(); !isReached(); await displayed())
            if (performance.now() - start > 120_000) throw new Error(`frame ${frame} does not appear`);
          // The stage is drawn with the next displayed frame of the window.
          await displayed();
          await displayed();
          const copy = new OffscreenCanvas(read.width, read.height);
          const context = copy.getContext("2d", {
            willReadFrequently: true,
          }) as OffscreenCanvasRenderingContext2D;
          const stage = find("stage") as HTMLCanvasElement;
          context.drawImage(stage, part.x, part.y, part.width, part.height, 0, 0, read.width, read.height);
          const { data } = context.getImageData(0, 0, read.width, read.height);
          let text = "";
          for (let at = 0; at < data.length; at += 32768)
            text += String.fromCharCode(...data.subarray(at, at + 32768));
          return { base64: btoa(text), label: find("frame-label")?.textContent ?? "" };
        },
        { frame, part, read },
      );
      return { ...read, channels: 4, data: Buffer.from(base64, "base64"), label };
    },
    async at(x, y) {
      const { box, view } = await place();
      return {
        x: box.x + view.x + x * size.width * view.scale,
        y: box.y + view.y + y * size.height * view.scale,
      };
    },
  };
}
