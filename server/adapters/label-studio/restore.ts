/** Repeats the work of an annotator in a new session, after the earlier one has ended. */
import { ProtocolError } from "../../../protocol/index.js";
import type { RelativeBox } from "./boxes.js";
import { isStretch, type OpenTask, type Prompt, type TaskObject, type TaskState } from "./tasks.js";
import { computeStale, readResults, sendPhrase, sendPrompt, type TrackedObject } from "./tracking.js";

/** Boxes by which a found object is recognized. */
const MAX_TRACE = 8;
/** Mean IoU of these boxes with those of the same object in another session. */
const SAME_OBJECT = 0.5;

export const NOT_COMPLETE = "The clip is not tracked to its end yet: press the label again to continue.";

/**
 * Phrases are searched for again, and the objects that they find are recognized by their boxes, so that they keep their regions and their
 * corrections. Returns sentences about those that are not found again.
 * @throws ProtocolError server_busy when time does not suffice; a later call continues
 */
export async function restore(task: OpenTask, state: TaskState, signal: AbortSignal): Promise<string[]> {
  if (task.isNew) await repeat(task, state);
  if (state.awaited.length === 0) return [];
  const isComplete = task.facts.num_frames === 1 || (await computeStale(task, signal));
  if (!isComplete) throw new ProtocolError("server_busy", NOT_COMPLETE);
  await recognize(task, state, await readResults(task, { withMasks: false }));
  const problems: string[] = [];
  for (const object of state.awaited) problems.push(...(await continueDrawn(task, state, object)));
  state.awaited = [];
  return problems;
}

/** Phrases and drawn objects in the order in which they came. */
async function repeat(task: OpenTask, state: TaskState): Promise<void> {
  for (const [id, object] of state.objects) {
    if (object.concept === undefined) continue;
    state.objects.delete(id);
    state.awaited.push(object);
  }
  try {
    for (const step of state.history) {
      if (typeof step === "string") await sendPhrase(task, step);
      else await sendPrompts(task, state, step);
    }
  } catch (error) {
    // A session with a part of the prompts would pass for one with all.
    await task.end();
    throw error;
  }
}

async function sendPrompts(task: OpenTask, { objects }: TaskState, id: number): Promise<void> {
  for (const prompt of objects.get(id)?.prompts ?? []) await sendPrompt(task, id, prompt);
}

/** The best pairs first. An object that is recognized is no longer awaited. */
async function recognize(
  task: OpenTask,
  state: TaskState,
  results: ReadonlyMap<number, TrackedObject>,
): Promise<void> {
  const pairs = state.awaited.flatMap((object) =>
    [...results].flatMap(([id, found]) => {
      const score = found.concept === object.concept ? similarity(object.trace, found.boxes) : 0;
      return score >= SAME_OBJECT ? { object, id, score } : [];
    }),
  );
  for (const { object, id } of pairs.sort((a, b) => b.score - a.score)) {
    if (!state.awaited.includes(object) || state.objects.has(id)) continue;
    state.awaited = state.awaited.filter((one) => one !== object);
    state.objects.set(id, { ...object, id });
    await sendPrompts(task, state, id);
  }
}

function similarity(trace: TaskObject["trace"], boxes: Float64Array): number {
  const ious = trace.map(({ frame, box }) => iou(box, boxes.subarray(4 * frame, 4 * frame + 4)));
  return ious.reduce((sum, one) => sum + one, 0) / Math.max(1, ious.length);
}

function iou([ax, ay, aw, ah]: RelativeBox, [bx = 0, by = 0, bw = 0, bh = 0]: Float64Array): number {
  const across = Math.max(0, Math.min(ax + aw, bx + bw) - Math.max(ax, bx));
  const down = Math.max(0, Math.min(ay + ah, by + bh) - Math.max(ay, by));
  return (across * down) / (aw * ah + bw * bh - across * down);
}

/** An object that its phrase does not find again continues as one that is drawn. */
async function continueDrawn(
  task: OpenTask,
  state: TaskState,
  { concept, ...object }: TaskObject,
): Promise<string[]> {
  const { trace, prompts } = object;
  const middle = trace[Math.floor(trace.length / 2)];
  const box: Prompt[] = middle ? [{ kind: "box", ...middle }] : [];
  const id = state.nextObjectId++;
  const own = prompts.some((prompt) => !isStretch(prompt)) ? prompts : [...box, ...prompts];
  const [first] = own;
  if (!first || isStretch(first)) return [];
  state.objects.set(id, { ...object, id, prompts: own });
  state.history.push(id);
  await sendPrompts(task, state, id);
  return [
    `The session had ended, and ${JSON.stringify(concept)} does not find this object again: it is tracked from its boxes.`,
  ];
}

/** Some of the boxes of a track, evenly distributed. */
export function traceOf(boxes: Float64Array): TaskObject["trace"] {
  const visible: number[] = [];
  for (let frame = 0; 4 * frame < boxes.length; frame++)
    if ((boxes[4 * frame + 2] ?? 0) > 0) visible.push(frame);
  const step = Math.max(1, visible.length / MAX_TRACE);
  return Array.from({ length: Math.min(MAX_TRACE, visible.length) }, (_, at) => {
    const frame = visible[Math.floor(at * step)] as number;
    const [x = 0, y = 0, width = 0, height = 0] = boxes.subarray(4 * frame, 4 * frame + 4);
    return { frame, box: [x, y, width, height] };
  });
}
