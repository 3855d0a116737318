/** The part of a source that a request selects. */
import { ProtocolError } from "../../protocol/index.js";
import type { Selection } from "./plan.js";
import type { ExportFrame, ExportMask, ExportObject } from "./source.js";

/**
 * @param numFrames in the video
 * @throws ProtocolError frame_out_of_range, object_not_found
 */
export function checkSelection(
  { frames, objectIds }: Selection,
  objects: readonly ExportObject[],
  numFrames: number,
): void {
  if (frames && frames.last >= numFrames) {
    const message = `frames: expected 0..${numFrames - 1}, got ${frames.last}`;
    throw new ProtocolError("frame_out_of_range", message, "frames");
  }
  const known = new Set(objects.map(({ objectId }) => objectId));
  const missing = objectIds?.find((id) => !known.has(id));
  if (missing === undefined) return;
  const list = known.size === 0 ? "there is none" : `there are ${[...known].join(", ")}`;
  throw new ProtocolError("object_not_found", `objects: no object ${missing}; ${list}`, "objects");
}

export function selectObjects(objects: readonly ExportObject[], { objectIds }: Selection): ExportObject[] {
  return objects.filter(({ objectId }) => !objectIds || objectIds.includes(objectId));
}

export function isSelectedFrame(frameIndex: number, { frames }: Selection): boolean {
  return !frames || (frameIndex >= frames.first && frameIndex <= frames.last);
}

/** A frame with the selected objects. */
export function selectMasks(frame: ExportFrame, { objectIds }: Selection): ExportFrame {
  if (!objectIds) return frame;
  const isSelected = ({ objectId }: Pick<ExportMask, "objectId">) => objectIds.includes(objectId);
  return {
    ...frame,
    masks: frame.masks.filter(isSelected),
    occludedIds: frame.occludedIds.filter((objectId) => objectIds.includes(objectId)),
  };
}

/** The error for a selection without a result. */
export function nothingStored({ frames }: Selection): ProtocolError {
  const where = frames ? `frames ${frames.first} to ${frames.last} have` : "the session has";
  const message = `frames: ${where} no stored results; run propagate_in_video over them first`;
  return new ProtocolError("mask_not_found", message, "frames");
}
