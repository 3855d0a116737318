/** Videos: a box that is drawn on one frame becomes a track over the whole clip. */
import { clamped } from "./boxes.js";
import { createFrameClock, type FrameClock } from "./frame-clock.js";
import { type Correction, correctionsOf, uprightKeyframe } from "./keyframes.js";
import { type Control, controlOf, type Label, type LabelConfig } from "./label-config.js";
import { notesOf } from "./notes.js";
import {
  computeResults,
  type LabelledPhrase,
  type Prediction,
  type PredictionRequest,
  phrasesOfLabels,
  searchPhrases,
  unfoundSentence,
} from "./prediction.js";
import { NOT_COMPLETE, restore } from "./restore.js";
import type { Answered, Region } from "./schemas.js";
import {
  drawObject,
  forgetObject,
  isOurs,
  type OpenTask,
  objectOf,
  type Prompt,
  rememberPrompt,
  rememberRegion,
  type TaskObject,
  type TaskState,
} from "./tasks.js";
import { sendPrompt, type TrackedObject } from "./tracking.js";

/** A region of another program can have a keyframe on every frame. */
const MAX_PROMPTS_PER_REGION = 32;
/** A box of this part of the frame's sides marks no object: it asks for all instances of its label. */
const WHOLE_FRAME = 0.98;

const NO_MORE = "Every instance that is found has a region.";

export async function predictVideo(request: PredictionRequest): Promise<Prediction> {
  const { config, state, task, regions = [] } = request;
  const control = controlOf(config, "videorectangle");
  if (!control)
    return { result: [], score: 0, message: "The labeling configuration has no <VideoRectangle>." };
  const problems = await restore(task, state, request.signal);
  const given = [...new Map(regions.filter(isTrack).map((region) => [region.id, region])).values()];
  const clock = createFrameClock(task.timesUs, request.framerate, frameCountOf(given));
  const searching = new Set(given.filter(marksInstances));
  for (const region of given) {
    if (!searching.has(region)) problems.push(...(await applyRegion(region, task, state, clock)));
  }
  const phrases = phrasesToSearch(request, given[0], searching.size > 0);
  await searchPhrases(request, phrases);
  const { isComplete, results } = await computeResults(request, { withMasks: false });
  const unfound = unfoundSentence(phrases, results);
  if (unfound !== undefined) problems.push(unfound);
  const sentence = sentenceOf(isComplete, problems);
  const result = await writeRegions(request, { given, searching, results, control, clock, sentence });
  const scores = result.flatMap(({ score }) => (typeof score === "number" ? score : []));
  return {
    result: result.map((region) => JSON.stringify(region)),
    score: scores.length > 0 ? scores.reduce((sum, one) => sum + one, 0) / scores.length : 0,
    message: sentence ?? `${result.length} tracks over ${task.facts.num_frames} frames.`,
  };
}

/** Those of text areas, or in a batch those of all labels; with a box around the whole frame also those of its label. */
function phrasesToSearch(
  { config, regions, phrases }: PredictionRequest,
  first: Region | undefined,
  isSearching: boolean,
): LabelledPhrase[] {
  const label = first?.value.labels?.[0] ?? config.labels[0]?.name ?? "object";
  const asked = regions ? phrases.map((text) => [text, label] as const) : phrasesOfLabels(config.labels);
  return isSearching ? [...asked, ...phrasesOfLabels([labelNamed(config, label)])] : asked;
}

interface AnswerParts {
  given: readonly Region[];
  /** Those that ask for all instances of their label. */
  searching: ReadonlySet<Region>;
  results: ReadonlyMap<number, TrackedObject>;
  control: Control;
  clock: FrameClock;
  /** For the annotator. */
  sentence: string | undefined;
}

/** The given regions with their tracks, then the tracks of further objects that phrases have found. */
async function writeRegions(request: PredictionRequest, parts: AnswerParts): Promise<Answered[]> {
  const { state, regions, phrases, regionIds } = request;
  const { given, searching, results, sentence } = parts;
  const found = detectedObjects(state, results, regionIds);
  const written: Answered[] = [];
  for (const region of given) {
    const object = searching.has(region) ? found.shift() : objectOf(state, region.id);
    const track = object && (await writeTrack(request, parts, object, region.id));
    const reason = sentence ?? (searching.has(region) ? NO_MORE : undefined);
    written.push(track ? merged(region, track, sentence) : unchanged(region, reason));
  }
  const isAsked = !regions || searching.size > 0 || phrases.length > 0;
  for (const object of isAsked ? found : []) {
    const track = await writeTrack(request, parts, object, object.name);
    if (track) written.push(track);
  }
  return written;
}

const isTrack = (region: Region) =>
  region.type === "videorectangle" && (region.value.sequence?.length ?? 0) > 0;

const labelNamed = ({ labels }: LabelConfig, name: string): Label =>
  labels.find((label) => label.name === name) ?? { name, phrases: [name] };

function frameCountOf(regions: readonly Region[]): number | undefined {
  const count = regions[0]?.value.framesCount;
  return typeof count === "number" && count >= 1 ? Math.floor(count) : undefined;
}

/** True for one box around the whole frame. */
function marksInstances({ value: { sequence = [] } }: Region): boolean {
  const [only, ...others] = sequence;
  return (
    only !== undefined &&
    others.length === 0 &&
    only.width >= 100 * WHOLE_FRAME &&
    only.height >= 100 * WHOLE_FRAME
  );
}

/**
 * The objects of phrases that no drawn region of the annotator shows yet.
 * @param shown ids of the annotator's regions
 */
function detectedObjects(
  state: TaskState,
  results: ReadonlyMap<number, TrackedObject>,
  shown: ReadonlySet<string>,
): TaskObject[] {
  const isDrawn = (id: string) => shown.has(id) && !isOurs(id);
  return [...state.objects.values()].filter(
    ({ id, concept, regionIds }) => results.has(id) && concept !== undefined && ![...regionIds].some(isDrawn),
  );
}

/** Sends what the annotator has changed on a region. Returns sentences about changes that have no effect. */
async function applyRegion(
  region: Region,
  task: OpenTask,
  state: TaskState,
  clock: FrameClock,
): Promise<string[]> {
  const { sequence = [], labels = [] } = region.value;
  const known = objectOf(state, region.id);
  const object = known ?? drawObject(state, labels[0] ?? "object");
  rememberRegion(object, region.id);
  const keyframes = sequence.map((keyframe) => uprightKeyframe(keyframe, task.facts));
  const changes = correctionsOf(keyframes, object.sent, clock.frameCount);
  const every = Math.ceil(changes.length / MAX_PROMPTS_PER_REGION);
  const problems: string[] = [];
  try {
    for (const change of changes.filter((_, at) => at % every === 0)) {
      const { prompts, problem } = promptsOf(change, clock, object);
      if (problem !== undefined) problems.push(problem);
      for (const prompt of prompts) {
        await sendPrompt(task, object.id, prompt);
        rememberPrompt(object, prompt);
      }
    }
  } finally {
    if (!known && object.prompts.length === 0) forgetObject(state, object.id);
  }
  return problems;
}

function promptsOf(
  { frame, box, goneUntil, backUntil }: Correction,
  clock: FrameClock,
  { prompts: earlier }: TaskObject,
): { prompts: Prompt[]; problem?: string } {
  const index = clock.indexOf(frame);
  if (backUntil !== undefined) {
    const last = clock.indexOf(backUntil);
    const first = Math.min(index + 1, last);
    const wasDeclared = earlier.some(
      (one) => one.kind === "absent" && one.first <= last && one.last >= first,
    );
    if (wasDeclared) return { prompts: [{ kind: "present", first, last }] };
    const problem = `The object is not found on frames ${frame + 1} to ${backUntil}: draw its box there.`;
    return { prompts: [], problem };
  }
  const inside = box && clamped(box);
  const prompts: Prompt[] = inside ? [{ kind: "box", frame: index, box: inside }] : [];
  // An object without a prompt does not exist yet.
  if (goneUntil !== undefined && (earlier.length > 0 || inside)) {
    const last = clock.indexOf(goneUntil);
    prompts.push({ kind: "absent", first: Math.min(index + 1, last), last });
  }
  if (!box || inside) return { prompts };
  return { prompts, problem: `The box on frame ${frame} is outside the picture.` };
}

/** The track of an object as a region; undefined where it is visible on no frame. */
async function writeTrack(
  { config, task, framerate: rate, convert }: PredictionRequest,
  { results, control, clock }: AnswerParts,
  object: TaskObject,
  id: string,
): Promise<Answered | undefined> {
  rememberRegion(object, id);
  const tracked = results.get(object.id);
  if (!tracked) return undefined;
  const { name: to_name } = config.media;
  const { frameCount } = clock;
  const { boxes, score } = tracked;
  const { timesUs } = task;
  const sequence = await convert("keyframes", { boxes, timesUs, rate, frameCount });
  if (sequence.length === 0) return undefined;
  object.sent = sequence;
  const duration = ((timesUs.at(-1) ?? 0) - (timesUs[0] ?? 0)) / 1e6 + 1 / rate;
  return {
    ...{ id, type: "videorectangle", from_name: control.name, to_name },
    ...{ origin: "prediction", score },
    value: { framesCount: frameCount, duration, labels: [object.label], sequence },
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
  const rest = isComplete ? [] : [NOT_COMPLETE];
  return [...problems, ...rest].join(" ") || undefined;
}
