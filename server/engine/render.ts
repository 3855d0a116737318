/** Mask logits into what a client gets: full-size masks as runs, boxes relative to the frame. */
import { float32, int32, ints, type RunGraph, type Tensor } from "../../detector/graph.js";
import { type CocoRle, encodeMask, type PixelBox } from "../../protocol/rle.js";
import type { StepResult } from "../../tracker/video-tracker.js";
import type { FrameOutput, ObjectOutput } from "./engine.js";

export interface VideoSize {
  width: number;
  height: number;
}

interface RenderedMask {
  mask: CocoRle;
  /** Pixels inside. */
  area: number;
  /** Tight box in pixels; meaningless when nothing is inside. */
  box: PixelBox;
}

/** The bits of a run come back as one copy, a byte per pixel and mask; more than this are rendered in several runs. */
const MAX_BYTES_PER_RUN = 64 * 2 ** 20;

/** The objects of a frame that have a pixel, by ascending id. @param m side of the mask logits */
export async function renderFrame(
  run: RunGraph,
  m: number,
  video: VideoSize,
  frameIndex: number,
  result: StepResult,
  maxBytesPerRun = MAX_BYTES_PER_RUN,
): Promise<FrameOutput> {
  const { width, height } = video;
  const logits = result.objects.map(({ maskLogits }) => maskLogits);
  const rendered = await renderAll(run, m, video, logits, maxBytesPerRun);
  const objects: ObjectOutput[] = [];
  for (const [row, { objectId, prob }] of result.objects.entries()) {
    const { mask, area, box } = rendered[row] as RenderedMask;
    if (area === 0) continue;
    const [x, y, w, h] = box;
    objects.push({ objectId, prob, boxXywh: [x / width, y / height, w / width, h / height], mask });
  }
  objects.sort((a, b) => a.objectId - b.objectId);
  return { frameIndex, objects, stats: result.stats };
}

/** Masks of logits, empty ones included, in their order. @param m side of the logits */
export async function renderMasks(
  run: RunGraph,
  m: number,
  video: VideoSize,
  logits: readonly Float32Array[],
): Promise<CocoRle[]> {
  return (await renderAll(run, m, video, logits, MAX_BYTES_PER_RUN)).map(({ mask }) => mask);
}

async function renderAll(
  run: RunGraph,
  m: number,
  video: VideoSize,
  logits: readonly Float32Array[],
  maxBytesPerRun: number,
): Promise<RenderedMask[]> {
  const perRun = Math.max(1, Math.floor(maxBytesPerRun / (video.width * video.height)));
  const rendered: RenderedMask[] = [];
  for (let start = 0; start < logits.length; start += perRun) {
    rendered.push(...(await renderBatch(run, m, video, logits.slice(start, start + perRun))));
  }
  return rendered;
}

async function renderBatch(
  run: RunGraph,
  m: number,
  { width, height }: VideoSize,
  batch: readonly Float32Array[],
): Promise<RenderedMask[]> {
  const stacked = new Float32Array(batch.length * m * m);
  batch.forEach((logits, row) => {
    stacked.set(logits, row * m * m);
  });
  const outputs = await run(
    "render",
    {
      mask: float32([batch.length, 1, m, m], stacked),
      size: int32([2], Int32Array.of(height, width)),
      threshold: float32([], Float32Array.of(0)),
    },
    ["bits", "area", "bbox"],
  );
  const bits = (outputs.bits as Tensor).data as Uint8Array;
  const areas = ints(outputs, "area");
  const bbox = ints(outputs, "bbox");
  return batch.map((_, row) => {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = bbox.subarray(row * 4, row * 4 + 4);
    const area = areas[row] ?? 0;
    const box: PixelBox = area === 0 ? [0, 0, 0, 0] : [x0, y0, x1 - x0, y1 - y0];
    const maskBits = bits.subarray(row * width * height, (row + 1) * width * height);
    return { mask: encodeMask(maskBits, width, height, box), area, box };
  });
}
