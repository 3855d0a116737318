/** Mask logits into what a client gets: full-size masks as runs, boxes relative to the frame. */
import { float32, int32, ints, type RunGraph, type Tensor } from "../../detector/graph.js";
import { type CocoRle, decodeMask, encodeMask } from "../../protocol/rle.js";
import { resolveOwnership, type ShownMask } from "../../tracker/ownership.js";
import type { TrackerPolicy } from "../../tracker/policy.js";
import type { PixelClaim, TrackedObject } from "../../tracker/video-tracker.js";
import type { BoxXywh, FrameOutput, ObjectOutput } from "./engine.js";

export interface VideoSize {
  width: number;
  height: number;
}

/** One object's mask at the size of the video, before objects are held against each other. */
export interface RenderedObject {
  objectId: number;
  prob: number;
  claim: PixelClaim;
  /** Left, top, right, bottom in pixels; right and bottom exclusive. */
  box: readonly [number, number, number, number];
  mask: CocoRle;
}

type OutputRules = Pick<TrackerPolicy["mask"], "objectWiseNonOverlap" | "unknownTrackerProb" | "boxes">;

/**
 * @param maxBytesPerRun the bits of a run come back as one copy, a byte per pixel and object; where many objects on large
 *   video would need more than this, they are rendered in several runs
 * @returns those with at least one pixel, by ascending id
 */
export async function renderObjects(
  run: RunGraph,
  m: number,
  video: VideoSize,
  tracked: readonly TrackedObject[],
  maxBytesPerRun = 64 * 2 ** 20,
): Promise<RenderedObject[]> {
  const perRun = Math.max(1, Math.floor(maxBytesPerRun / (video.width * video.height)));
  const objects: RenderedObject[] = [];
  for (let start = 0; start < tracked.length; start += perRun) {
    objects.push(...(await renderBatch(run, m, video, tracked.slice(start, start + perRun))));
  }
  return objects.sort((a, b) => a.objectId - b.objectId);
}

async function renderBatch(
  run: RunGraph,
  m: number,
  { width, height }: VideoSize,
  batch: readonly TrackedObject[],
): Promise<RenderedObject[]> {
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
  const rendered: RenderedObject[] = [];
  for (const [row, { objectId, prob, claim }] of batch.entries()) {
    if (area[row] === 0) continue;
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = bbox.subarray(row * 4, row * 4 + 4);
    const objectBits = bits.subarray(row * width * height, (row + 1) * width * height);
    const mask = encodeMask(objectBits, width, height, [x0, y0, x1 - x0, y1 - y0]);
    rendered.push({ objectId, prob, claim: claim ?? UNCLAIMED, box: [x0, y0, x1, y1], mask });
  }
  return rendered;
}

const UNCLAIMED: PixelClaim = { group: null, prob: null };

/**
 * Puts a frame together in SAM 3's order: boxes first, then pixels that several objects cover go to one of them. With
 * `boxes: "shown"` boxes come last, and objects left without a pixel are left out.
 * @param rendered by ascending id
 */
export function assembleFrame(
  rendered: readonly RenderedObject[],
  video: VideoSize,
  frameIndex: number,
  stats: FrameOutput["stats"],
  rules: OutputRules,
): FrameOutput {
  const { width, height } = video;
  const isContested = rules.objectWiseNonOverlap && rendered.length > 1;
  const masks = isContested ? withoutOverlap(rendered, video, rules.unknownTrackerProb) : rendered;
  const objects = masks.flatMap(({ objectId, prob, box, mask }, index): ObjectOutput[] => {
    const edge = rules.boxes === "sam3" ? 1 : 0;
    const source = rules.boxes === "sam3" ? (rendered[index]?.box ?? box) : box;
    const [x0, y0, x1, y1] = source;
    if (rules.boxes === "shown" && x1 <= x0) return [];
    const boxXywh: BoxXywh = [x0 / width, y0 / height, (x1 - x0 - edge) / width, (y1 - y0 - edge) / height];
    return [{ objectId, prob, boxXywh, mask }];
  });
  return { frameIndex, objects, stats };
}

function withoutOverlap(
  rendered: readonly RenderedObject[],
  video: VideoSize,
  unknown: number,
): RenderedObject[] {
  const shown = rendered.map((object): ShownMask => ({ ...object, bits: crop(object, video) }));
  const kept = resolveOwnership(shown, unknown);
  return rendered.map((object, index) => {
    const bits = kept[index] as Uint8Array;
    return bits === shown[index]?.bits ? object : withBits(object, bits, video);
  });
}

/** uint8 [y1-y0, x1-x0] */
function crop({ mask, box: [x0, y0, x1, y1] }: RenderedObject, { width }: VideoSize): Uint8Array {
  const { data } = decodeMask(mask);
  const bits = new Uint8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) bits.set(data.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  return bits;
}

function withBits(object: RenderedObject, bits: Uint8Array, { width, height }: VideoSize): RenderedObject {
  const [x0, y0, x1, y1] = object.box;
  const all = new Uint8Array(width * height);
  let [left, top, right, bottom] = [x1, y1, x0, y0];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      if (!bits[(y - y0) * (x1 - x0) + x - x0]) continue;
      all[y * width + x] = 1;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
    }
  }
  const box = left < right ? ([left, top, right, bottom] as const) : ([x0, y0, x0, y0] as const);
  return { ...object, box, mask: encodeMask(all, width, height) };
}
