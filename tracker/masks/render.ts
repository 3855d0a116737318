/** Renders mask logits as run-length encoded masks of the video's size, and assembles them into output frames. */
import { float32, int32, ints, type RunGraph, type Tensor } from "../../detector/graph.js";
import {
  type CocoRle,
  decodeMask,
  encodeMask,
  maskBox,
  type PixelBox,
  uniteMasks,
} from "../../protocol/rle.js";
import type { BoxXywh, FrameOutput, ObjectOutput } from "../frame-output.js";
import type { LockedMask } from "../masklet.js";
import type { ObjectState } from "../object-states.js";
import type { TrackerPolicy } from "../policy.js";
import type { PixelClaim, TrackedObject } from "../report.js";
import { fillHoles } from "./fill-holes.js";
import { renderLarge } from "./large-mask.js";
import { resolveOwnership, type ShownMask } from "./ownership.js";

export interface VideoSize {
  width: number;
  height: number;
}

interface RenderedMask {
  mask: CocoRle;
  /** Number of pixels inside. */
  area: number;
  /** Left, top, right, bottom in pixels; right and bottom exclusive; all 0 for an empty mask. */
  box: readonly [number, number, number, number];
  /** uint8 [y1-y0, x1-x0]: the mask inside its box, kept until the frame is assembled; see `RenderRules`. Absent for large masks. */
  bits?: Uint8Array;
}

/** One object's mask at the size of the video, before each pixel is assigned to one object. */
export interface RenderedObject extends Omit<RenderedMask, "area"> {
  objectId: number;
  prob: number;
  claim: PixelClaim;
  /** The user locked this mask: it keeps all its pixels. */
  locked?: true;
  /** The tracker's judgement of the mask; absent on frames that were stored without it. */
  judged?: Pick<ObjectState, "score" | "suspect">;
}

type Drawn = Pick<TrackedObject, "maskLogits" | "cleanupMaxArea">;

type OutputRules = Pick<TrackerPolicy["mask"], "objectWiseNonOverlap"> &
  Pick<TrackerPolicy["sam3Parity"], "unknownTrackerProb" | "boxes">;

/**
 * Largest output of one run of `render`, which has one byte per pixel and mask. More masks need several runs, and a larger
 * mask is rendered without the graph. Higher: the runtime keeps more memory, about eight times this size, and its intermediate
 * results no longer fit the caches of the CPU.
 */
const MAX_BYTES_PER_RUN = 4 * 2 ** 20;

interface RenderRules {
  maxBytesPerRun?: number;
  /** Whether `bits` are needed. Without them, a mask takes a tenth of the time. */
  keepsBits?: boolean;
}

/**
 * Renders the masks of objects at the size of the video.
 * @param run runs the graph `render`
 * @param m side of the mask logits
 * @returns the objects with at least one pixel, by ascending id
 */
export async function renderObjects(
  run: RunGraph,
  m: number,
  video: VideoSize,
  tracked: readonly TrackedObject[],
  rules: RenderRules = {},
): Promise<RenderedObject[]> {
  const drawable = tracked.filter(({ locked }) => locked === undefined);
  const rendered = await renderAll(run, m, video, drawable, rules);
  const objects = tracked.flatMap((object) => (object.locked ? [lockedObject(object, object.locked)] : []));
  for (const [row, { objectId, prob, claim }] of drawable.entries()) {
    const { area, ...drawn } = rendered[row] as RenderedMask;
    if (area > 0) objects.push({ objectId, prob, claim: claim ?? UNCLAIMED, ...drawn });
  }
  return objects.sort((a, b) => a.objectId - b.objectId);
}

/** A locked mask, with a claim to its pixels above that of every other object. */
function lockedObject(
  { objectId, claim = UNCLAIMED }: TrackedObject,
  { mask, prob }: LockedMask,
): RenderedObject {
  const [x, y, width, height] = maskBox(mask);
  const box = [x, y, x + width, y + height] as const;
  return { objectId, prob, claim: { ...claim, prob: ABOVE_ALL }, box, mask, locked: true };
}

/** Above every probability. */
const ABOVE_ALL = 2;

/** Several objects of a frame as one, with the id and the claim of the first. */
export function uniteRendered(objects: readonly RenderedObject[]): RenderedObject {
  const { bits: _, ...first } = objects[0] as RenderedObject;
  const mask = uniteMasks(objects.map((object) => object.mask));
  const [x, y, width, height] = maskBox(mask);
  const prob = Math.max(...objects.map((object) => object.prob));
  return { ...first, prob, mask, box: [x, y, x + width, y + height] };
}

/** Logits `[height, width]`, row by row, and the mask that they give at the size of the video. */
export interface RenderedMap {
  logits: Float32Array;
  size: [height: number, width: number];
  mask: CocoRle;
}

/**
 * Renders masks at the size of the video.
 * @param m side of the mask logits
 * @param maps float32 [m, m] each
 * @returns all maps in their order, with their masks, including empty ones
 */
export async function renderMaps(
  run: RunGraph,
  m: number,
  video: VideoSize,
  maps: readonly Float32Array[],
): Promise<RenderedMap[]> {
  const drawn = maps.map((maskLogits) => ({ maskLogits }));
  const masks = await renderAll(run, m, video, drawn);
  return masks.map(({ mask }, index) => ({ logits: maps[index] as Float32Array, size: [m, m], mask }));
}

async function renderAll(
  run: RunGraph,
  m: number,
  video: VideoSize,
  drawn: readonly Drawn[],
  { maxBytesPerRun = MAX_BYTES_PER_RUN, keepsBits = true }: RenderRules = {},
): Promise<RenderedMask[]> {
  const perRun = Math.floor(maxBytesPerRun / (video.width * video.height));
  const rendered: RenderedMask[] = [];
  if (perRun === 0 || !keepsBits) {
    for (const one of drawn) {
      rendered.push(renderOne(one, m, video));
      if (perRun === 0 || rendered.length % perRun === 0) await othersRun();
    }
    return rendered;
  }
  for (let start = 0; start < drawn.length; start += perRun) {
    rendered.push(...(await renderBatch(run, m, video, drawn.slice(start, start + perRun))));
  }
  return rendered;
}

/** A mask without `bits`, and without a run of the graph. */
function renderOne({ maskLogits, cleanupMaxArea = 0 }: Drawn, m: number, video: VideoSize): RenderedMask {
  const rendered = renderLarge(maskLogits, m, video);
  if (cleanupMaxArea === 0) return rendered;
  const { bits: _, ...clean } = renderClean(
    decodeMask(rendered.mask).data,
    video.width,
    video.height,
    cleanupMaxArea,
  );
  return clean;
}

/** Messages and other sessions come in between. */
const othersRun = () => new Promise<void>((resolve) => setTimeout(resolve));

async function renderBatch(
  run: RunGraph,
  m: number,
  { width, height }: VideoSize,
  batch: readonly Drawn[],
): Promise<RenderedMask[]> {
  const stacked = new Float32Array(batch.length * m * m);
  batch.forEach(({ maskLogits }, row) => {
    stacked.set(maskLogits, row * m * m);
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
  return batch.map(({ cleanupMaxArea = 0 }, row) => {
    const maskBits = bits.subarray(row * width * height, (row + 1) * width * height);
    if (cleanupMaxArea > 0) return renderClean(maskBits, width, height, cleanupMaxArea);
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = bbox.subarray(row * 4, row * 4 + 4);
    const area = areas[row] ?? 0;
    return toRendered(maskBits, { width, height }, area === 0 ? [0, 0, 0, 0] : [x0, y0, x1, y1], area);
  });
}

/** @param bits uint8 [height, width] */
function renderClean(bits: Uint8Array, width: number, height: number, maxArea: number): RenderedMask {
  const clean = fillHoles(
    Float32Array.from(bits, (bit) => (bit ? 1 : -1)),
    width,
    maxArea,
  );
  const inside = Uint8Array.from(clean, (logit) => (logit > 0 ? 1 : 0));
  const box = boxOf(inside, width, [0, 0, width, height]);
  const area = inside.reduce((count, bit) => count + bit, 0);
  return toRendered(inside, { width, height }, area === 0 ? [0, 0, 0, 0] : box, area);
}

/** @param bits uint8 [height, width]; 0 outside the box */
function toRendered(
  bits: Uint8Array,
  video: VideoSize,
  box: RenderedMask["box"],
  area: number,
): RenderedMask {
  const mask = encodeMask(bits, video.width, video.height, toXywh(box));
  return { mask, area, box, bits: crop(bits, video.width, box) };
}

function toXywh([x0, y0, x1, y1]: RenderedMask["box"]): PixelBox {
  return [x0, y0, x1 - x0, y1 - y0];
}

/** uint8 [height, width] → uint8 [y1-y0, x1-x0] */
function crop(bits: Uint8Array, width: number, [x0, y0, x1, y1]: RenderedMask["box"]): Uint8Array {
  const part = new Uint8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) part.set(bits.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  return part;
}

/** The tight box of the bits inside a given box. Without bits, left and top exceed right and bottom. */
function boxOf(bits: Uint8Array, width: number, [x0, y0, x1, y1]: RenderedMask["box"]): RenderedMask["box"] {
  let [left, top, right, bottom] = [x1, y1, x0, y0];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      if (!bits[y * width + x]) continue;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
    }
  }
  return [left, top, right, bottom];
}

const UNCLAIMED: PixelClaim = { group: null, prob: null };

/**
 * Assembles the output of a frame. In SAM 3's order (`boxes: "sam3"`), the boxes are those of the masks before each pixel is
 * assigned to one object. With `boxes: "shown"`, they are those of the final masks, and objects without a pixel are left
 * out. Boxes are relative to the frame, 0..1.
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
  const shown = rendered.map((object): ShownMask => {
    const bits = object.bits ?? crop(decodeMask(object.mask).data, video.width, object.box);
    return { claim: object.claim, box: object.box, bits };
  });
  const kept = resolveOwnership(shown, unknown);
  return rendered.map((object, index) => {
    const bits = kept[index] as Uint8Array;
    return object.locked || bits === shown[index]?.bits ? object : withBits(object, bits, video);
  });
}

function withBits(object: RenderedObject, bits: Uint8Array, { width, height }: VideoSize): RenderedObject {
  const [x0, y0, x1, y1] = object.box;
  const all = new Uint8Array(width * height);
  for (let y = y0; y < y1; y++)
    all.set(bits.subarray((y - y0) * (x1 - x0), (y - y0 + 1) * (x1 - x0)), y * width + x0);
  const tight = boxOf(all, width, object.box);
  const box = tight[0] < tight[2] ? tight : ([x0, y0, x0, y0] as const);
  return { ...object, box, mask: encodeMask(all, width, height, toXywh(box)) };
}
