/** The edits of the page as requests of PROTOCOL.md. */
import { z } from "zod";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import type { Client } from "../../predictor.js";
import { ask, propagate } from "../requests.js";
import { masksOf, type ObjectMask, type Outputs } from "./masks.js";
import type { Clicks, DemoState } from "./session-states.js";

/** Frames with clicks of one object that are remembered, so that those of a frame can be taken back. */
const MAX_FRAMES_PER_OBJECT = 256;

const relative = z.number().min(0).max(1);

const clicksSchema = z.object({
  points: z.array(z.tuple([relative, relative])).min(1),
  labels: z.array(z.literal([0, 1])),
});

export interface PointsOfObject {
  frameIndex: number;
  objectId: number;
  points: readonly (readonly number[])[];
  labels: readonly number[];
  clearOldPoints: boolean;
}

/** Adds clicks, and returns the masks of all objects on their frame. */
export function addPoints(client: Client, state: DemoState, given: PointsOfObject): Promise<ObjectMask[]> {
  return state.edits.run(async () => {
    const { frameIndex, objectId, clearOldPoints } = given;
    const frames = state.objects.get(objectId) ?? new Map<number, Clicks>();
    if (!frames.has(frameIndex) && frames.size >= MAX_FRAMES_PER_OBJECT) {
      const message = `frameIndex: expected clicks of object ${objectId} on at most ${MAX_FRAMES_PER_OBJECT} frames, got one more.`;
      throw new ProtocolError("invalid_field", message, "frameIndex");
    }
    const added: Clicks = parseFields(clicksSchema, { points: given.points, labels: given.labels });
    const outputs = await sendClicks(client, state, { ...given, ...added });
    const earlier = clearOldPoints ? undefined : frames.get(frameIndex);
    frames.set(frameIndex, {
      points: [...(earlier?.points ?? []), ...added.points],
      labels: [...(earlier?.labels ?? []), ...added.labels],
    });
    state.objects.set(objectId, frames);
    return masksOf(state, outputs);
  });
}

async function sendClicks(
  client: Client,
  { sessionId }: DemoState,
  { frameIndex, objectId, points, labels, clearOldPoints = true }: Clicks & Partial<PointsOfObject>,
): Promise<Outputs> {
  const { outputs } = await ask(client, {
    type: "add_prompt",
    session_id: sessionId,
    frame_index: frameIndex as number,
    obj_id: objectId as number,
    points,
    point_labels: labels,
    clear_old_points: clearOldPoints,
    mask_format: "rle",
  });
  return outputs;
}

/**
 * Takes back the clicks of an object on one frame: the object is made again from its clicks on the other frames. Returns the
 * masks on the frame, of which that of the object is empty until the next propagation.
 */
export function clearPointsInFrame(
  client: Client,
  state: DemoState,
  { frameIndex, objectId }: { frameIndex: number; objectId: number },
): Promise<ObjectMask[]> {
  return state.edits.run(async () => {
    const frames = state.objects.get(objectId);
    if (!frames) throw new ProtocolError("object_not_found", `There is no object ${objectId}.`, "objectId");
    if (frames.delete(frameIndex)) {
      await ask(client, { type: "remove_object", session_id: state.sessionId, obj_id: objectId });
      for (const [frame, clicks] of frames)
        await sendClicks(client, state, { ...clicks, frameIndex: frame, objectId });
    }
    return masksOf(state, await storedOutputs(client, state, frameIndex));
  });
}

/** The stored result of a frame; undefined where there is none. */
async function storedOutputs(
  client: Client,
  { sessionId }: DemoState,
  frameIndex: number,
): Promise<Outputs | undefined> {
  const frames = propagate(client, {
    ...{ session_id: sessionId, scope: "stored", propagation_direction: "forward" },
    ...{ start_frame_index: frameIndex, max_frame_num_to_track: 0, mask_format: "rle" },
  });
  for await (const { outputs } of frames) return outputs;
  return undefined;
}

/** Removes an object. The page can remove one that it has not sent a click for. */
export function removeObject(client: Client, state: DemoState, objectId: number): Promise<void> {
  return state.edits.run(async () => {
    const frames = state.objects.get(objectId);
    // An object without clicks exists in the page only.
    if (frames && frames.size > 0)
      await ask(client, { type: "remove_object", session_id: state.sessionId, obj_id: objectId });
    state.objects.delete(objectId);
  });
}

export function clearPointsInVideo(client: Client, state: DemoState): Promise<void> {
  return state.edits.run(async () => {
    await ask(client, { type: "reset_session", session_id: state.sessionId });
    state.objects.clear();
  });
}
