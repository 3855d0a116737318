/** The output of `masklet track --out` as the source of an export: one `frame` message a line. */
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { cocoRle, frameIndex, objectId, probability } from "../../protocol/fields.js";
import { type CocoRle, decodeMask, maskArea } from "../../protocol/index.js";
import type { MediaSource } from "../media/source.js";
import { runsOf } from "../replay-frames.js";
import type { Selection } from "./plan.js";
import { checkSelection, isSelectedFrame, nothingStored, selectMasks, selectObjects } from "./selection.js";
import {
  type ExportFrame,
  type ExportObject,
  type ExportPicture,
  type ExportSource,
  safeName,
} from "./source.js";

const frameSchema = z.looseObject({
  frame_index: frameIndex,
  timestamp_us: z.int().nullish(),
  outputs: z.looseObject({
    out_obj_ids: z.array(objectId),
    out_probs: z.array(probability),
    out_binary_masks: z.array(cocoRle),
    out_states: z
      .array(
        z.looseObject({
          obj_id: objectId,
          state: z.string(),
          prompt: z.looseObject({ concept: z.string().exactOptional() }).exactOptional(),
        }),
      )
      .default([]),
  }),
});

export type FrameLine = z.output<typeof frameSchema>;

/** Longer lines are not read. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

interface Place {
  offset: number;
  bytes: number;
}

export interface LogSource extends ExportSource {
  close(): Promise<void>;
}

/**
 * Reads the file once to find its frames; a later line of a frame replaces an earlier one.
 * @param media the video of the frames; without it, formats of text only
 * @throws RangeError for a line that is no frame, or whose masks have another size than the first mask; ProtocolError as for a session
 */
export async function openLogSource(
  path: string,
  selection: Selection,
  media?: { fileName: string; source: MediaSource },
): Promise<LogSource> {
  const file = await open(path);
  try {
    return await read(file, path, selection, media);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function read(
  file: FileHandle,
  path: string,
  selection: Selection,
  media: { fileName: string; source: MediaSource } | undefined,
): Promise<LogSource> {
  const places = new Map<number, Place>();
  const categories = new Map<number, string>();
  const timesUs = new Map<number, number>();
  const ids = new Set<number>();
  let size = media && ([media.source.facts.height, media.source.facts.width] as CocoRle["size"]);
  for await (const { text, place, line } of linesOf(file)) {
    const frame = parse(text, `${path}, line ${line}`);
    const { frame_index: index, timestamp_us, outputs } = frame;
    const checked = checkMasks(frame, size, `${path}, line ${line}`);
    size ??= checked;
    places.set(index, place);
    if (typeof timestamp_us === "number") timesUs.set(index, timestamp_us);
    for (const id of outputs.out_obj_ids) ids.add(id);
    for (const { obj_id, prompt } of outputs.out_states) {
      if (prompt?.concept !== undefined) categories.set(obj_id, prompt.concept);
    }
  }
  const order = [...places.keys()].sort((a, b) => a - b);
  if (order.length === 0) throw new RangeError(`${path}: expected lines of frames, got none`);
  if (!size) throw new RangeError(`${path}: no frame has a mask`);
  const [height, width] = size;
  const numFrames = media?.source.facts.numFrames ?? (order.at(-1) as number) + 1;
  const objects = [...ids].sort((a, b) => a - b).map((id) => describeObject(id, categories.get(id)));
  checkSelection(selection, objects, numFrames);
  const selected = order.filter((index) => isSelectedFrame(index, selection));
  if (selected.length === 0) throw nothingStored(selection);

  async function* frames(): AsyncGenerator<ExportFrame> {
    for (const index of selected) {
      const { offset, bytes } = places.get(index) as Place;
      const buffer = Buffer.alloc(bytes);
      await file.read(buffer, 0, bytes, offset);
      yield selectMasks(toExportFrame(parse(buffer.toString(), path)), selection);
    }
  }

  async function* pictures(source: MediaSource): AsyncGenerator<ExportPicture> {
    for (const run of runsOf(selected)) {
      for await (const { index, rgb } of source.frames({ ...run, width, height }))
        yield { frameIndex: index, rgb };
    }
  }

  const fileName = media?.fileName ?? basename(path).replace(/\.jsonl$/i, "");
  const fps = media ? media.source.facts.fps : rateOf(timesUs);
  return {
    facts: { name: safeName(fileName), fileName, width, height, numFrames, fps },
    objects: selectObjects(objects, selection),
    frames,
    ...(media && { pictures: () => pictures(media.source) }),
    close: () => file.close(),
  };
}

async function* linesOf(file: FileHandle): AsyncGenerator<{ text: string; place: Place; line: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let line = 0;
  const stream = file.createReadStream({ autoClose: false, start: 0 });
  const toLine = (bytes: Buffer) => {
    line++;
    const place = { offset, bytes: bytes.length };
    offset += bytes.length + 1;
    return { text: bytes.toString().trim(), place, line };
  };
  for await (const chunk of stream) {
    rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const found = toLine(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      if (found.text !== "") yield found;
    }
    if (rest.length > MAX_LINE_BYTES)
      throw new RangeError(`expected lines of at most ${MAX_LINE_BYTES} bytes`);
  }
  const last = toLine(rest);
  if (last.text !== "") yield last;
}

function parse(text: string, where: string): FrameLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError(`${where}: expected JSON`, { cause });
  }
  const parsed = frameSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RangeError(`${where}: ${issue?.path.join(".") || "the line"}: ${issue?.message}`);
}

/** @returns the size of the masks; undefined without a mask */
function checkMasks(
  { outputs }: FrameLine,
  expected: CocoRle["size"] | undefined,
  where: string,
): CocoRle["size"] | undefined {
  const { out_obj_ids: ids, out_binary_masks: masks, out_probs: probs } = outputs;
  if (ids.length !== masks.length || ids.length !== probs.length) {
    throw new RangeError(`${where}: expected as many masks and probabilities as ids`);
  }
  let size = expected;
  for (const mask of masks) {
    size ??= mask.size;
    if (mask.size[0] !== size[0] || mask.size[1] !== size[1]) {
      const [height, width] = size;
      throw new RangeError(
        `${where}: expected masks of ${width}x${height}, got ${mask.size[1]}x${mask.size[0]}`,
      );
    }
    decodeMask(mask);
  }
  return size;
}

/** @param frame a `frame` message with masks of the form `rle` */
export function toExportFrame({ frame_index, timestamp_us, outputs }: FrameLine): ExportFrame {
  const masks = outputs.out_obj_ids.map((id, at) => ({
    objectId: id,
    score: outputs.out_probs[at] as number,
    mask: outputs.out_binary_masks[at] as CocoRle,
  }));
  return {
    frameIndex: frame_index,
    timestampUs: timestamp_us ?? null,
    masks: masks.filter(({ mask }) => maskArea(mask) > 0).sort((a, b) => a.objectId - b.objectId),
    occludedIds: outputs.out_states.filter(({ state }) => state === "occluded").map(({ obj_id }) => obj_id),
  };
}

function describeObject(id: number, category = "object"): ExportObject {
  return { objectId: id, category, name: `${category} ${id}` };
}

/** The average rate between the first and the last frame; null without times. */
function rateOf(timesUs: ReadonlyMap<number, number>): number | null {
  const known = [...timesUs].sort((a, b) => a[0] - b[0]);
  const [first, last] = [known[0], known.at(-1)];
  if (!first || !last || last[1] <= first[1]) return null;
  return ((last[0] - first[0]) * 1e6) / (last[1] - first[1]);
}
