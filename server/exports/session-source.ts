/** The stored results of a session as the source of an export. */
import { maskArea, type SessionFacts } from "../../protocol/index.js";
import type { MediaSource } from "../media/source.js";
import { runsOf } from "../replay-frames.js";
import type { ResultsStore } from "../results/store.js";
import type { StoredFrame } from "../results/stored-frame.js";
import type { Selection } from "./plan.js";
import { checkSelection, isSelectedFrame, nothingStored, selectMasks, selectObjects } from "./selection.js";
import {
  type ExportFrame,
  type ExportObject,
  type ExportPicture,
  type ExportSource,
  safeName,
} from "./source.js";

export interface SessionSourceParts {
  facts: Pick<SessionFacts, "width" | "height" | "num_frames" | "fps">;
  /** The name of the video's file. */
  fileName: string;
  objects: SessionFacts["objects"];
  conceptNames: SessionFacts["concept_names"];
  store: Pick<ResultsStore, "frames" | "get">;
  media: MediaSource;
  selection: Selection;
  signal?: AbortSignal;
}

/**
 * The results as they are now: later changes of the session do not change the export.
 * @throws ProtocolError frame_out_of_range, object_not_found, mask_not_found
 */
export function createSessionSource(parts: SessionSourceParts): ExportSource {
  const { facts, store, media, selection, signal } = parts;
  const { width, height, num_frames: numFrames, fps } = facts;
  const objects = parts.objects.map((object) => describeObject(object, parts.conceptNames));
  checkSelection(selection, objects, numFrames);
  // Stored frames are immutable.
  const stored = store
    .frames()
    .filter((index) => isSelectedFrame(index, selection))
    .flatMap((index) => store.get(index) ?? []);
  if (stored.length === 0) throw nothingStored(selection);

  async function* frames(): AsyncGenerator<ExportFrame> {
    for (const frame of stored) yield selectMasks(toExportFrame(frame, media), selection);
  }

  async function* pictures(): AsyncGenerator<ExportPicture> {
    const size = { width, height, ...(signal && { signal }) };
    for (const run of runsOf(stored.map(({ frameIndex }) => frameIndex))) {
      for await (const { index, rgb } of media.frames({ ...run, ...size })) yield { frameIndex: index, rgb };
    }
  }

  return {
    facts: { name: safeName(parts.fileName), fileName: parts.fileName, width, height, numFrames, fps },
    objects: selectObjects(objects, selection),
    frames,
    pictures,
  };
}

function describeObject(
  { obj_id: objectId, name, concept }: SessionFacts["objects"][number],
  conceptNames: SessionFacts["concept_names"],
): ExportObject {
  const conceptName = conceptNames.find((one) => one.concept === concept)?.name ?? concept;
  const category = conceptName ?? name ?? "object";
  return { objectId, category, name: name ?? `${category} ${objectId}` };
}

function toExportFrame({ frameIndex, objects, unseen = [] }: StoredFrame, media: MediaSource): ExportFrame {
  return {
    frameIndex,
    timestampUs: media.timeOf(frameIndex),
    masks: objects
      .filter(({ mask }) => maskArea(mask) > 0)
      .map(({ objectId, prob, mask }) => ({ objectId, score: prob, mask })),
    occludedIds: unseen.filter(({ state }) => state === "occluded").map(({ objectId }) => objectId),
  };
}
