/**
 * SAM 2's image predictor over the wire: the methods of `SAM2ImagePredictor`
 * (`facebookresearch/sam2:sam2/sam2_image_predictor.py`), with pixels as coordinates.
 */
import { decodeLowResMask, type LowResMask } from "../../protocol/logits.js";
import { decodeMask, type Mask } from "../../protocol/rle.js";
import type { MaskletClient, StartFields } from "./client.js";
import { MaskletError } from "./errors.js";
import type { MaskletSession } from "./session.js";

type Point = [x: number, y: number];
/** Corners: left, top, right, bottom. */
type BoxXyxy = [x0: number, y0: number, x1: number, y1: number];

interface PredictSettings {
  /** An entry of an earlier prediction's `logits` to refine. */
  mask_input?: LowResMask;
  /** True (the default): three masks, because a click is ambiguous between part and whole. False: one. */
  multimask_output?: boolean;
}

/** Coordinates are pixels of the image. */
export interface ImagePrompt extends PredictSettings {
  point_coords?: Point[];
  /** One per point: 1 on the object, 0 off it. */
  point_labels?: (0 | 1)[];
  box?: BoxXyxy;
}

/** Several prompts on one image, all with the same number of points. */
export interface ImagePrompts extends PredictSettings {
  point_coords?: Point[][];
  point_labels?: (0 | 1)[][];
  box?: BoxXyxy[];
}

/** The result of SAM's `predict`: parallel lists. */
export interface Prediction {
  masks: Mask[];
  /** The model's estimate of the quality of each mask, about 0 to 1. */
  scores: number[];
  /** At the model's resolution, for `mask_input`. `fullSizeLogits` turns them into the result of `return_logits=True`. */
  logits: LowResMask[];
}

export interface ImagePredictor {
  /** Opens an image on the server and closes the previous one. */
  setImage(image: StartFields): Promise<void>;
  /** @throws MaskletError, like every method. */
  predict(prompt: ImagePrompt): Promise<Prediction>;
  /** One prediction per prompt; the prompts run through the model as one batch. */
  predict(prompts: ImagePrompts): Promise<Prediction[]>;
  /** Opens several images. Each is a session on the server, which limits their number. */
  setImageBatch(images: readonly StartFields[]): Promise<void>;
  /** One list of predictions per image, in the order of `setImageBatch`. */
  predictBatch(prompts: readonly ImagePrompts[]): Promise<Prediction[][]>;
  /** Closes all images. */
  resetPredictor(): Promise<void>;
}

export function createImagePredictor(client: Pick<MaskletClient, "startSession">): ImagePredictor {
  let images: MaskletSession[] = [];

  async function resetPredictor(): Promise<void> {
    const former = images;
    images = [];
    await Promise.all(former.map((session) => session.close()));
  }

  async function setImageBatch(batch: readonly StartFields[]): Promise<void> {
    await resetPredictor();
    const started = await Promise.allSettled(batch.map((image) => client.startSession(image)));
    images = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const failed = started.find((one) => one.status === "rejected");
    if (!failed) return;
    await resetPredictor();
    throw failed.reason;
  }

  function predict(prompt: ImagePrompt): Promise<Prediction>;
  function predict(prompts: ImagePrompts): Promise<Prediction[]>;
  async function predict(prompt: ImagePrompt | ImagePrompts): Promise<Prediction | Prediction[]> {
    const [session] = images;
    if (!session) throw nothingSet();
    const predictions = await predictOn(session, toBatch(prompt));
    return isBatch(prompt) ? predictions : (predictions[0] as Prediction);
  }

  return {
    setImage: (image) => setImageBatch([image]),
    setImageBatch,
    predict,
    async predictBatch(prompts) {
      if (images.length === 0) throw nothingSet();
      if (prompts.length !== images.length) {
        throw new RangeError(`expected prompts for ${images.length} images, got ${prompts.length}`);
      }
      return Promise.all(
        images.map((session, index) => predictOn(session, toBatch(prompts[index] as ImagePrompts))),
      );
    },
    resetPredictor,
  };
}

async function predictOn(session: MaskletSession, prompts: ImagePrompts): Promise<Prediction[]> {
  const { box, ...fields } = prompts;
  const answer = await session.predict({ ...fields, ...(box && { boxes: box }), rel_coordinates: false });
  return answer.masks.map((masks, row) => ({
    masks: masks.map(decodeMask),
    scores: answer.iou_predictions[row] ?? [],
    logits: answer.low_res_masks?.[row] ?? [],
  }));
}

function isBatch(prompt: ImagePrompt | ImagePrompts): prompt is ImagePrompts {
  return Array.isArray(prompt.box?.[0]) || Array.isArray(prompt.point_coords?.[0]?.[0]);
}

function toBatch(prompt: ImagePrompt | ImagePrompts): ImagePrompts {
  if (isBatch(prompt)) return prompt;
  const { point_coords, point_labels, box, ...settings } = prompt;
  return {
    ...settings,
    ...(point_coords && { point_coords: [point_coords] }),
    ...(point_labels && { point_labels: [point_labels] }),
    ...(box && { box: [box] }),
  };
}

const nothingSet = () =>
  new MaskletError({ code: "no_image", message: "call setImage before predict", retryable: false });

/**
 * Logits at the size of the image, `[height, width]` row by row, interpolated as SAM does (bilinear, pixel centres
 * aligned with `align_corners=False`). Pixels above 0 belong to the mask.
 */
export function fullSizeLogits(
  lowRes: LowResMask,
  { width, height }: { width: number; height: number },
): Float32Array {
  const [rows, columns] = lowRes.size;
  const logits = decodeLowResMask(lowRes);
  const across = steps(columns, width);
  const down = steps(rows, height);
  const full = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const { low: top, high: bottom, share: v } = down[y] as Step;
    for (let x = 0; x < width; x++) {
      const { low: left, high: right, share: u } = across[x] as Step;
      const at = (row: number, column: number) => logits[row * columns + column] as number;
      const above = at(top, left) * (1 - u) + at(top, right) * u;
      const below = at(bottom, left) * (1 - u) + at(bottom, right) * u;
      full[y * width + x] = above * (1 - v) + below * v;
    }
  }
  return full;
}

interface Step {
  low: number;
  high: number;
  /** Weight of the higher neighbour, 0 to 1. */
  share: number;
}

/** For each of `to` pixels, its two neighbours among `from` pixels. */
function steps(from: number, to: number): Step[] {
  return Array.from({ length: to }, (_, pixel) => {
    const place = Math.max(0, ((pixel + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(place));
    return { low, high: Math.min(from - 1, low + 1), share: place - low };
  });
}
