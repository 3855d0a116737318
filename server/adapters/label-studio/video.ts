/** Videos: a box that is drawn on one frame becomes a track over the whole clip. */
import { createFrameClock, type FrameClock } from "./frame-clock.js";
import { correctionsOf, keyframesOf, type PercentBox } from "./keyframes.js";
import { type Control, controlOf, type Label, type LabelConfig } from "./label-config.js";
import { notesOf } from "./notes.js";
import type { Answered, Region } from "./schemas.js";
import {
  addObject,
  type OpenTask,
  type Prompt,
  type RelativeBox,
  type TaskObject,
  type TaskState,
} from "./tasks.js";
import {
  adoptDetected,
  computeStale,
  readResults,
  repeatPrompts,
  sendPhrase,
  sendPrompt,
  type TrackedObject,
} from "./tracking.js";

/** A region that this adapter does not know can have a keyframe on every frame, such as one of another program. */
const MAX_PROMPTS_PER_REGION = 32;
/** A box of this part of the frame's sides marks no object: it asks for all instances of its label. */
const WHOLE_FRAME = 0.98;

export interface VideoRequest {
  config: LabelConfig;
  state: TaskState;
  task: OpenTask & { isNew: boolean };
  /** The regions of the pressed label; undefined for a batch. */
  regions: readonly Region[] | undefined;
  /** Phrases of text areas. */
  phrases: readonly string[];
  /** Aborts shortly before Label Studio gives up, and when it has left. */
  signal: AbortSignal;
}

export interface PredictedResult {
  result: Answered[];
  score: number;
  /** For the annotator. */
  message: string;
}

export async function predictVideo(request: VideoRequest): Promise<PredictedResult> {
  const { config, state, task, regions, phrases, signal } = request;
  const control = controlOf(config, "videorectangle");
  if (!control)
    return { result: [], score: 0, message: "The labeling configuration has no <VideoRectangle>." };
  if (task.isNew) await repeatPrompts(task, state);
  const given = [...new Map((regions ?? []).filter(isTrack).map((region) => [region.id, region])).values()];
  const clock = createFrameClock(task.timesUs, config.media.framerate, frameCountOf(given));
  const problems: string[] = [];
  const label = labelOf(given[0], config);
  const searching = new Set<string>();
  for (const region of given) {
    if (wantsInstances(region)) searching.add(region.id);
    else await applyRegion(region, task, state, clock, problems);
  }
  const wanted = regions
    ? [...phrases.map((text) => [text, label] as const)]
    : phrasesOfLabels(config.labels);
  if (searching.size > 0) wanted.push(...phrasesOfLabels([labelNamed(config, label)]));
  for (const [phrase, name] of wanted) {
    if (state.phrases.has(phrase)) continue;
    await sendPhrase(task, phrase);
    state.phrases.set(phrase, name);
  }
  const hasPrompts = state.objects.size > 0 || state.phrases.size > 0;
  const isComplete = !hasPrompts || (await computeStale(task, signal));
  const results = await readResults(task, false);
  adoptDetected(state, results);
  const sentence = sentenceOf(isComplete, problems);
  const frames = Array.from({ length: clock.frameCount }, (_, at) => clock.indexOf(at + 1));
  const write = (object: TaskObject, id: string) => {
    const tracked = results.get(object.id);
    return tracked ? writeTrack({ id, object, tracked, frames, control, config, task }) : undefined;
  };
  const found = detectedObjects(state, results);
  const result: Answered[] = [];
  for (const region of given) {
    const object = searching.has(region.id) ? found.shift() : objectOf(state, region.id);
    object?.regionIds.add(region.id);
    const track = object && write(object, region.id);
    result.push(track ? merged(region, track, sentence) : unchanged(region, sentence));
  }
  const isAsked = !regions || searching.size > 0 || phrases.length > 0;
  for (const object of isAsked ? found : []) {
    const id = [...object.regionIds][0] ?? `masklet-${object.id}`;
    object.regionIds.add(id);
    const track = write(object, id);
    if (track) result.push(track);
  }
  const scores = result.flatMap(({ score }) => (typeof score === "number" ? score : []));
  const score = scores.length > 0 ? scores.reduce((sum, one) => sum + one, 0) / scores.length : 0;
  return {
    result,
    score,
    message: sentence ?? `${result.length} tracks over ${task.facts.num_frames} frames.`,
  };
}

const isTrack = (region: Region) =>
  region.type === "videorectangle" && (region.value.sequence?.length ?? 0) > 0;

const objectOf = (state: TaskState, regionId: string) =>
  [...state.objects.values()].find(({ regionIds }) => regionIds.has(regionId));

const labelOf = (region: Region | undefined, config: LabelConfig) =>
  region?.value.labels?.[0] ?? config.labels[0]?.name ?? "object";

const labelNamed = ({ labels }: LabelConfig, name: string): Label =>
  labels.find((label) => label.name === name) ?? { name, phrases: [name] };

const phrasesOfLabels = (labels: readonly Label[]) =>
  labels.flatMap(({ name, phrases }) => phrases.map((phrase) => [phrase, name] as const));

function frameCountOf(regions: readonly Region[]): number | undefined {
  const count = regions[0]?.value.framesCount;
  return typeof count === "number" && count >= 1 ? Math.floor(count) : undefined;
}

function wantsInstances({ value: { sequence = [] } }: Region): boolean {
  const [only, ...others] = sequence;
  return (
    only !== undefined &&
    others.length === 0 &&
    only.width >= 100 * WHOLE_FRAME &&
    only.height >= 100 * WHOLE_FRAME
  );
}

/** The objects of phrases that no drawn region shows yet. */
function detectedObjects(state: TaskState, results: ReadonlyMap<number, TrackedObject>): TaskObject[] {
  return [...state.objects.values()].filter(
    ({ id, prompts, regionIds }) =>
      results.has(id) && prompts.length === 0 && [...regionIds].every((one) => one.startsWith("masklet-")),
  );
}

/** Sends what the annotator has changed on a region. */
async function applyRegion(
  region: Region,
  task: OpenTask,
  state: TaskState,
  clock: FrameClock,
  problems: string[],
): Promise<void> {
  const { sequence = [], labels = [] } = region.value;
  const known = objectOf(state, region.id);
  const object = known ?? addObject(state, labels[0] ?? "object");
  object.regionIds.add(region.id);
  const changes = correctionsOf(sequence, object.sent, clock.frameCount);
  const every = Math.ceil(changes.length / MAX_PROMPTS_PER_REGION);
  const kept = changes.filter((_, at) => at % every === 0);
  for (const { frame, box, goneUntil } of kept) {
    const index = clock.indexOf(frame);
    const prompts: Prompt[] = [];
    const inside = box && clamped(box);
    if (inside) prompts.push({ kind: "box", frame: index, box: inside });
    else if (box) problems.push(`The box on frame ${frame} is outside the picture.`);
    if (goneUntil !== undefined && object.prompts.length + prompts.length > 0)
      prompts.push({
        kind: "absent",
        first: Math.min(index + 1, clock.indexOf(goneUntil)),
        last: clock.indexOf(goneUntil),
      });
    for (const prompt of prompts) {
      await sendPrompt(task, object.id, prompt);
      // A later box on a frame replaces the earlier one.
      const isSame = (one: Prompt) =>
        one.kind === "box" && prompt.kind === "box" && one.frame === prompt.frame;
      object.prompts = [...object.prompts.filter((one) => !isSame(one)), prompt];
    }
  }
  if (!known && object.prompts.length === 0) state.objects.delete(object.id);
}

/** The part of a box inside the frame, 0 to 1; undefined when there is none. The page permits boxes outside. */
export function clamped([x, y, width, height]: PercentBox): RelativeBox | undefined {
  const inside = (value: number) => Math.min(1, Math.max(0, value / 100));
  const [left, top, right, bottom] = [inside(x), inside(y), inside(x + width), inside(y + height)];
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : undefined;
}

interface TrackParts {
  id: string;
  object: TaskObject;
  tracked: TrackedObject;
  /** The frame of the video of each frame that Label Studio counts. */
  frames: readonly number[];
  control: Control;
  config: LabelConfig;
  task: OpenTask;
}

function writeTrack({
  id,
  object,
  tracked,
  frames,
  control,
  config,
  task,
}: TrackParts): Answered | undefined {
  const { framerate } = config.media;
  const boxes = frames.map((index) => {
    const box = tracked.boxes[index];
    return box && (box.map((side) => 100 * side) as unknown as PercentBox);
  });
  const sequence = keyframesOf(boxes, framerate);
  if (sequence.length === 0) return undefined;
  object.sent = sequence;
  const lastUs = task.timesUs.at(-1) ?? 0;
  const duration = (lastUs - (task.timesUs[0] ?? 0)) / 1e6 + 1 / framerate;
  return {
    ...{ id, type: "videorectangle", from_name: control.name, to_name: config.media.name },
    ...{ origin: "prediction", score: tracked.score },
    value: { framesCount: frames.length, duration, labels: [object.label], sequence },
  };
}

/** A track with everything else that the region had. Labels are those of the page: a region can have none. */
function merged(region: Region, track: Answered, sentence: string | undefined): Answered {
  const { labels, ...value } = region.value;
  const { labels: _, ...tracked } = track.value;
  const { sequence } = tracked;
  const merged = { ...tracked, ...value, sequence, ...(labels && { labels }) };
  return { ...track, ...notesOf(region, sentence), value: merged };
}

/** The region as it came, so that the page keeps it. */
export function unchanged(region: Region, sentence?: string): Answered {
  const { id, type, from_name, to_name, value } = region;
  return { id, type, from_name, to_name, ...notesOf(region, sentence), value };
}

/** What an annotator must know about an answer. */
function sentenceOf(isComplete: boolean, problems: readonly string[]): string | undefined {
  const rest = isComplete
    ? []
    : ["The clip is not tracked to its end yet: press the label again to continue."];
  return [...problems, ...rest].join(" ") || undefined;
}
