/** Mask logits into what a client gets: full-size masks as runs, boxes relative to the frame. */
import { float32, int32, ints, type RunGraph, type Tensor } from "../../detector/graph.js";
import { encodeMask } from "../../protocol/rle.js";
import type { StepResult, TrackedObject } from "../../tracker/video-tracker.js";
import type { BoxXywh, FrameOutput, ObjectOutput } from "./engine.js";

export interface VideoSize {
  width: number;
  height: number;
}

/**
 * @param m side of the mask logits
 * @param maxBytesPerRun the bits of a run come back as one copy, a byte per pixel and object; where many objects on large
 *   video would need more than this, they are rendered in several runs
 */
export async function renderFrame(
  run: RunGraph,
  m: number,
  video: VideoSize,
  frameIndex: number,
  result: StepResult,
  maxBytesPerRun = 64 * 2 ** 20,
): Promise<FrameOutput> {
  const { width, height } = video;
  const perRun = Math.max(1, Math.floor(maxBytesPerRun / (width * height)));
  const objects: ObjectOutput[] = [];
  for (let start = 0; start < result.objects.length; start += perRun) {
    objects.push(...(await renderBatch(run, m, video, result.objects.slice(start, start + perRun))));
  }
  objects.sort((a, b) => a.objectId - b.objectId);
  return { frameIndex, objects, stats: result.stats };
}

async function renderBatch(
  run: RunGraph,
  m: number,
  { width, height }: VideoSize,
  batch: readonly TrackedObject[],
): Promise<ObjectOutput[]> {
  const logits = new Float32Array(batch.length * m * m);
  batch.forEach((object, row) => {
    logits.set(object.maskLogits, row * m * m);
  });
  const outputs = await run(
    "render",
    {
      mask: float32([batch.length, 1, m, m], logits),
      size: int32([2], Int32Array.of(height, width)),
      threshold: float32([], Float32Array.of(0)),
    },
    ["bits", "area", "bbox"],
  );
  const bits = (outputs.bits as Tensor).data as Uint8Array;
  const area = ints(outputs, "area");
  const bbox = ints(outputs, "bbox");
  const rendered: ObjectOutput[] = [];
  for (const [row, { objectId, prob }] of batch.entries()) {
    if (area[row] === 0) continue;
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = bbox.subarray(row * 4, row * 4 + 4);
    const objectBits = bits.subarray(row * width * height, (row + 1) * width * height);
    const mask = encodeMask(objectBits, width, height, [x0, y0, x1 - x0, y1 - y0]);
    const boxXywh: BoxXywh = [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height];
    rendered.push({ objectId, prob, boxXywh, mask });
  }
  return rendered;
}
