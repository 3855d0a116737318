/** Makes masks of a frame conditioning memories, where an edit leaves an object without one. */

import { gridMask } from "../masks/grid-mask.js";
import type { Frame } from "../model.js";
import type { TrackerParts } from "../parts.js";
import type { AnchorMask } from "./edit.js";
import { rememberMasks } from "./mask-memory.js";
import { objectOf } from "./objects.js";

/** @throws PromptError object_not_found */
export async function anchor(parts: TrackerParts, frame: Frame, masks: readonly AnchorMask[]): Promise<void> {
  const given = masks.map(({ objectId, mask }) => ({
    masklet: objectOf(parts, objectId),
    mask: gridMask(mask, parts.geometry.m),
  }));
  const features = await parts.features.get(frame, false);
  await rememberMasks(parts, features, frame.index, given, "prompted");
}
