/** Turns the annotations of a file into prompts or locked frames of a session. */
import {
  type AddPromptRequest,
  type CocoRle,
  type EditRequest,
  maskArea,
  type PixelBox,
  ProtocolError,
  parseRequest,
  type SessionFacts,
} from "../../protocol/index.js";
import type { Session } from "../session.js";
import {
  type Annotation,
  type FileVideo,
  ImportError,
  type ImportVideo,
  type Item,
  isFileVideo,
  isSkipped,
} from "./annotation.js";

export type ImportAs = "prompts" | "locked";

export interface ImportReport {
  imported: { masks: number; boxes: number; frames: number };
  /** By ascending id. */
  objects: { obj_id: number; name: string | null; is_new: boolean; frames: number }[];
  skipped: { reason: string; count: number; example: string }[];
  /** Signs that the file was made for another video, although its annotations fit. */
  warnings: string[];
}

/** Prompts of one import: each of them is computed. */
export const MAX_ANNOTATIONS = 20_000;

interface ImportedObject {
  isNew: boolean;
  name: string | null;
  frames: Set<number>;
}

/**
 * Imports one by one; what was imported before an error stays. A mask of an object that has one on the frame replaces it.
 * @throws ImportError when the file has no annotation that fits the video; the message states why
 */
export async function applyImport(
  session: Pick<Session, "addPrompt" | "edit" | "describe">,
  items: AsyncIterable<Item>,
  as: ImportAs,
  signal: AbortSignal,
): Promise<ImportReport> {
  const facts = await session.describe();
  const { width, height, num_frames: numFrames, fps } = facts;
  const video: ImportVideo = { width, height, numFrames, fps };
  const warnings: string[] = [];
  const existing = new Set(facts.obj_ids);
  const ids = new Map<string, number>();
  const objects = new Map<number, ImportedObject>();
  const skipped = new Map<string, { count: number; example: string }>();
  let [masks, boxes] = [0, 0];

  function skip(reason: string, example: string): void {
    const known = skipped.get(reason) ?? { count: 0, example };
    skipped.set(reason, { ...known, count: known.count + 1 });
  }

  /** The id of the file, unless another identity of the file has it already; a free one for files without ids. */
  function idOf({ track, objectId }: Annotation): number {
    const known = ids.get(track);
    if (known !== undefined) return known;
    const taken = new Set(ids.values());
    let id = objectId ?? 0;
    if (objectId === undefined || taken.has(id)) {
      id = 0;
      while (taken.has(id) || existing.has(id)) id++;
    }
    ids.set(track, id);
    return id;
  }

  for await (const item of items) {
    signal.throwIfAborted();
    if (isSkipped(item)) {
      skip(item.skipped, item.where);
      continue;
    }
    if (isFileVideo(item)) {
      warnings.push(...differences(item, video));
      continue;
    }
    const problem = problemOf(item, video, as);
    const where = `frame ${item.frameIndex}, ${item.track}`;
    if (problem !== undefined) {
      skip(problem, where);
      continue;
    }
    if (masks + boxes >= MAX_ANNOTATIONS) {
      skip(
        `an import has at most ${MAX_ANNOTATIONS} annotations; import the rest from a file of its own`,
        where,
      );
      continue;
    }
    const objectId = idOf(item);
    const object = objects.get(objectId) ?? { isNew: !existing.has(objectId), name: null, frames: new Set() };
    await session.addPrompt(promptOf(item, objectId, facts));
    if (item.mask) masks++;
    else boxes++;
    object.frames.add(item.frameIndex);
    object.name ??= item.category ?? null;
    objects.set(objectId, object);
  }
  if (objects.size === 0) throw new ImportError(nothingFits(skipped, video));
  for (const [objectId, { isNew, name, frames }] of objects) {
    const edit = (request: object) =>
      session.edit(
        parseRequest({ session_id: facts.session_id, obj_id: objectId, ...request }) as EditRequest,
      );
    if (isNew && name !== null && name !== "object") await edit({ type: "rename", name: name.slice(0, 200) });
    if (as !== "locked") continue;
    for (const [first, last] of rangesOf(frames)) {
      await edit({ type: "lock_frames", first_frame_index: first, last_frame_index: last });
    }
  }
  return {
    imported: {
      masks,
      boxes,
      frames: new Set([...objects.values()].flatMap(({ frames }) => [...frames])).size,
    },
    objects: [...objects]
      .sort(([a], [b]) => a - b)
      .map(([obj_id, { name, isNew, frames }]) => ({ obj_id, name, is_new: isNew, frames: frames.size })),
    skipped: [...skipped].map(([reason, known]) => ({ reason, ...known })),
    warnings,
  };
}

/** Rates that are closer together than this share are the same: files round them. */
const SAME_RATE = 0.01;

function differences({ madeFor }: FileVideo, video: ImportVideo): string[] {
  const { numFrames, fps } = madeFor;
  const advice = "check some frames: the file may belong to another video";
  const found: string[] = [];
  if (numFrames !== undefined && numFrames !== video.numFrames) {
    found.push(
      `the file was made for a video of ${numFrames} frames, and this one has ${video.numFrames}; ${advice}`,
    );
  }
  if (fps !== undefined && video.fps !== null && Math.abs(fps - video.fps) > SAME_RATE * video.fps) {
    const rates = [fps, video.fps].map((rate) => Number(rate.toFixed(3)));
    found.push(
      `the file was made for a video of ${rates[0]} frames per second, and this one has ${rates[1]}; ${advice}`,
    );
  }
  return found;
}

/** Why an annotation cannot be imported. */
function problemOf(
  { frameIndex, size, mask, box }: Annotation,
  { width, height, numFrames }: ImportVideo,
  as: ImportAs,
): string | undefined {
  if (size && (size.width !== width || size.height !== height)) {
    return `it is for pictures of ${size.width}x${size.height}, and the video has ${width}x${height}`;
  }
  if (!Number.isInteger(frameIndex) || frameIndex < 0 || frameIndex >= numFrames) {
    const hint = frameIndex === numFrames ? "; the file may count frames from 1" : "";
    return `its frame is outside the video, whose frames are 0..${numFrames - 1}${hint}`;
  }
  if (mask) return maskProblem(mask, width, height);
  if (!box) return "it has neither a mask nor a box";
  if (as === "locked") return "a box has no mask, so its frame cannot be locked; import boxes as prompts";
  return clip(box, width, height) ? undefined : "its box is outside the picture";
}

function maskProblem(mask: CocoRle, width: number, height: number): string | undefined {
  const [rows, columns] = mask.size;
  if (rows !== height || columns !== width) {
    return `its mask has ${columns}x${rows} pixels, and the video has ${width}x${height}`;
  }
  try {
    return maskArea(mask) === 0 ? "its mask is empty" : undefined;
  } catch (error) {
    return `its mask is damaged: ${(error as Error).message}`;
  }
}

/** The part of a box inside the picture. */
function clip([x, y, w, h]: PixelBox, width: number, height: number): PixelBox | undefined {
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const [right, bottom] = [Math.min(width, x + w), Math.min(height, y + h)];
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : undefined;
}

function promptOf(
  { frameIndex, mask, box }: Annotation,
  objectId: number,
  { session_id: sessionId, width, height }: SessionFacts,
): AddPromptRequest {
  return parseRequest({
    type: "add_prompt",
    session_id: sessionId,
    frame_index: frameIndex,
    obj_id: objectId,
    ...(mask
      ? { mask: { rle: mask } }
      : { bounding_boxes: [box && clip(box, width, height)], rel_coordinates: false }),
  }) as AddPromptRequest;
}

function rangesOf(frames: ReadonlySet<number>): [first: number, last: number][] {
  const ranges: [number, number][] = [];
  for (const frame of [...frames].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && frame === last[1] + 1) last[1] = frame;
    else ranges.push([frame, frame]);
  }
  return ranges;
}

function nothingFits(
  skipped: ReadonlyMap<string, { count: number; example: string }>,
  { width, height, numFrames }: ImportVideo,
): string {
  const [first] = skipped;
  if (!first) return "the file has no annotation; nothing was imported";
  const [reason, { count, example }] = first;
  const advice = `open a session with the video of the annotations; this one has ${numFrames} frames of ${width}x${height}`;
  const which = count === 1 ? "1 annotation does" : `${count} annotations do`;
  return `${which} not fit, the first (${example}) because ${reason}; nothing was imported: ${advice}`;
}

/** The error of the wire. */
export function toImportProblem(error: unknown): unknown {
  if (!(error instanceof ImportError)) return error;
  return new ProtocolError("invalid_field", `file: ${error.message}.`, "file", { cause: error.cause });
}
