/** The states of the objects of an output frame, from the states of its step and from stored masks. */
import type { FrameOutput } from "./frame-output.js";
import type { RenderedObject } from "./masks/render.js";
import { MAX_OCCLUDED_FRAMES, type ObjectState } from "./object-states.js";
import type { OutputCache } from "./output-cache.js";
import type { VideoTracker } from "./video-tracker.js";

/** Score and suspicion of a mask that was stored without them. */
const UNJUDGED = { score: 1, suspect: null } as const;

/** Adds scores and suspicions to rendered masks, so that they are stored with the masks. */
export function judge(rendered: readonly RenderedObject[], states: readonly ObjectState[]): RenderedObject[] {
  const judged = new Map(states.map(({ objectId, score, suspect }) => [objectId, { score, suspect }]));
  return rendered.map((object) => {
    const own = judged.get(object.objectId);
    return own ? { ...object, judged: own } : object;
  });
}

/** The states of the objects without a mask on the frame. */
export function withoutMask(
  states: readonly ObjectState[],
  rendered: readonly RenderedObject[],
): ObjectState[] {
  const seen = new Set(rendered.map(({ objectId }) => objectId));
  return states.filter(({ objectId }) => !seen.has(objectId)).map(hide);
}

/** An object that the step found, but of which no pixel is shown. */
const hide = (state: ObjectState): ObjectState =>
  state.state === "present" ? { ...state, state: "occluded", suspect: null } : state;

/**
 * Adds the states of the objects to an output frame.
 * @param unseen the states of the objects without a mask
 */
export function withStates(
  tracker: Pick<VideoTracker, "promptOf">,
  output: FrameOutput,
  rendered: readonly RenderedObject[],
  unseen: readonly ObjectState[],
): FrameOutput {
  const { frameIndex } = output;
  const states = rendered.flatMap(({ objectId, judged = UNJUDGED }): ObjectState[] => {
    const prompt = tracker.promptOf(objectId, frameIndex);
    return prompt ? [{ objectId, state: "present", prompt, ...judged }] : [];
  });
  const byId = new Map(states.map((state) => [state.objectId, state]));
  const objects = output.objects.map((object) => {
    const state = byId.get(object.objectId);
    if (!state) return object;
    const { score, prompt, suspect } = state;
    return { ...object, judged: { score, prompt, suspect } };
  });
  const shown = new Set(objects.map(({ objectId }) => objectId));
  const covered = states.filter(({ objectId }) => !shown.has(objectId)).map(hide);
  return { ...output, objects, unseen: [...covered, ...unseen].sort((a, b) => a.objectId - b.objectId) };
}

/** The states of the objects without a stored mask on a frame that is not tracked again. */
export function storedUnseen(
  tracker: Pick<VideoTracker, "objectIds" | "promptOf">,
  cache: Pick<OutputCache, "get">,
  frameIndex: number,
  stored: readonly RenderedObject[],
): ObjectState[] {
  const hasMaskOn = (index: number, id: number) =>
    cache.get(index)?.some(({ objectId }) => objectId === id) ?? false;
  return tracker.objectIds().flatMap((objectId): ObjectState[] => {
    const prompt = tracker.promptOf(objectId, frameIndex);
    if (!prompt || stored.some((object) => object.objectId === objectId)) return [];
    const distances = Array.from({ length: MAX_OCCLUDED_FRAMES }, (_, distance) => distance + 1);
    const wasSeen = distances.some(
      (distance) => hasMaskOn(frameIndex - distance, objectId) || hasMaskOn(frameIndex + distance, objectId),
    );
    return [{ objectId, state: wasSeen ? "occluded" : "lost", score: 0, prompt, suspect: null }];
  });
}
