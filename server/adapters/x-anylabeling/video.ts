/** Prompts and propagation on the frames of a folder. */
import { type AnswerOf, ProtocolError } from "../../../protocol/index.js";
import type { Client } from "../../predictor.js";
import type { PropagatedFrame } from "../../propagations.js";
import type { Convert } from "../conversion-thread.js";
import { ask, propagate } from "../requests.js";
import type { Conversions } from "./conversions.js";
import { phrasesOf, requireFound } from "./phrases.js";
import type { PropagateRequest, VideoPrompt } from "./schemas.js";
import type { VideoState } from "./session-states.js";
import { outlinedObjects, type Shape } from "./shapes.js";

type Points = readonly (readonly [number, number])[];

/** Carries out a prompt, and returns the shapes on its frame. */
export async function promptVideo(
  client: Client,
  state: VideoState,
  request: VideoPrompt,
  convert: Convert<Conversions>,
): Promise<Shape[]> {
  const { conf_threshold: confidence, epsilon_factor: epsilonFactor } = request.params;
  const outputs =
    request.text_prompt === undefined
      ? await promptByClicks(client, state, request)
      : await promptByText(client, state, request, request.text_prompt);
  Object.assign(state, { confidence, epsilonFactor });
  state.prompted.add(request.frame_index);
  const objects = outlinedObjects(outputs);
  if (request.text_prompt !== undefined) requireFound(objects, request.text_prompt, confidence);
  return (await convert("shapes", objects, epsilonFactor)).flat();
}

type PromptOutputs = AnswerOf<"add_prompt">["outputs"];

/** A new text replaces everything that was prompted before. */
async function promptByText(
  client: Client,
  state: VideoState,
  { session_id, frame_index, params }: VideoPrompt,
  text: string,
): Promise<PromptOutputs> {
  const phrases = phrasesOf(text);
  await startAgain(client, state, session_id);
  // Phrases that were accepted before one that is refused are replaced by the next prompt as well.
  state.prompted.add(frame_index);
  let outputs: PromptOutputs | undefined;
  for (const phrase of phrases) {
    const prompt = { session_id, frame_index, text: phrase, output_prob_thresh: params.conf_threshold };
    ({ outputs } = await ask(client, { type: "add_prompt", ...prompt, mask_format: "rle" }));
  }
  return outputs as PromptOutputs;
}

/**
 * Each click repeats the earlier ones of the object on its frame, and X-AnyLabeling gives every object the same id. Clicks that
 * do not continue the earlier ones on their frame therefore belong to a new object, and clicks on another frame correct the same
 * one.
 */
async function promptByClicks(
  client: Client,
  state: VideoState,
  { session_id, frame_index, points = [], point_labels = [], obj_id = 0, params }: VideoPrompt,
): Promise<PromptOutputs> {
  const earlier = state.clicks.get(frame_index);
  const isOfPhrase = state.clicks.size === 0 && state.prompted.size > 0;
  if (isOfPhrase || (earlier && !isContinuation(earlier, points)))
    await startAgain(client, state, session_id);
  const { outputs } = await ask(client, {
    type: "add_prompt",
    ...{ session_id, frame_index, obj_id, points, point_labels },
    output_prob_thresh: params.conf_threshold,
    mask_format: "rle",
  });
  state.clicks.set(frame_index, points);
  return outputs;
}

/** True when one list begins with the other one: a click was added, or the last ones were taken back. */
export function isContinuation(earlier: Points, later: Points): boolean {
  return earlier
    .slice(0, later.length)
    .every(([x, y], index) => later[index]?.[0] === x && later[index]?.[1] === y);
}

async function startAgain(client: Client, state: VideoState, session_id: string): Promise<void> {
  if (state.prompted.size > 0) await ask(client, { type: "reset_session", session_id });
  state.clicks.clear();
  state.prompted.clear();
}

/** Frames to compute, and the frames to answer with. */
export interface Stretch {
  first: number;
  last: number;
}

/**
 * The propagations that compute the frames of a stretch, starting from the prompted frame that is nearest to it: forward to its
 * end, and backward to its beginning.
 */
export function planPropagations(
  { first, last }: Stretch,
  prompted: ReadonlySet<number>,
): { start: number; direction: "forward" | "backward"; length: number }[] {
  const distanceTo = (frame: number) => Math.max(0, first - frame, frame - last);
  const [start = first] = [...prompted].sort((a, b) => distanceTo(a) - distanceTo(b) || a - b);
  const legs: ReturnType<typeof planPropagations> = [];
  if (last >= start) legs.push({ start, direction: "forward", length: last - start });
  if (first < start) legs.push({ start, direction: "backward", length: start - first });
  return legs;
}

/**
 * The frames of a stretch, given what X-AnyLabeling asks for.
 * @param numFrames of the session
 * @throws ProtocolError frame_out_of_range for frames that the session does not have
 */
export function stretchOf({ start_frame, end_frame }: PropagateRequest, numFrames: number): Stretch {
  const [first, last] = [start_frame ?? 0, end_frame ?? numFrames - 1];
  for (const [field, least, frame] of [
    ["start_frame", 0, first] as const,
    ["end_frame", first, last] as const,
  ]) {
    if (frame >= least && frame < numFrames) continue;
    const message = `${field}: expected ${least}..${numFrames - 1}, got ${frame}. If the folder has changed, send the prompt again.`;
    throw new ProtocolError("frame_out_of_range", message, field);
  }
  return { first, last };
}

/**
 * Computes the frames of a stretch. Progress counts upwards also while frames are computed backward, because the window shows the
 * number as a bar.
 */
export async function* computeStretch(
  client: Client,
  sessionId: string,
  state: VideoState,
  { first, last }: Stretch,
): AsyncGenerator<number, void, undefined> {
  let done = 0;
  for (const { start, direction, length } of planPropagations({ first, last }, state.prompted)) {
    const frames = propagate(client, {
      session_id: sessionId,
      propagation_direction: direction,
      start_frame_index: start,
      max_frame_num_to_track: length,
      output_prob_thresh: state.confidence,
      mask_format: "none",
    });
    for await (const { frame_index } of frames)
      if (frame_index >= first && frame_index <= last) yield first + done++;
  }
}

/** The stored results of a stretch, in ascending order. */
export function storedStretch(
  client: Client,
  sessionId: string,
  state: VideoState,
  { first, last }: Stretch,
): AsyncGenerator<PropagatedFrame, unknown, undefined> {
  return propagate(client, {
    session_id: sessionId,
    scope: "stored",
    propagation_direction: "forward",
    start_frame_index: first,
    max_frame_num_to_track: last - first,
    output_prob_thresh: state.confidence,
    mask_format: "rle",
  });
}
