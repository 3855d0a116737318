/** What predictions of videos and of pictures share. */
import type { Convert } from "../conversion-thread.js";
import type { Conversions } from "./conversions.js";
import type { Label, LabelConfig } from "./label-config.js";
import { traceOf } from "./restore.js";
import type { Region } from "./schemas.js";
import type { OpenTask, TaskState } from "./tasks.js";
import { adoptDetected, computeStale, readResults, sendPhrase, type TrackedObject } from "./tracking.js";

export interface PredictionRequest {
  config: LabelConfig;
  state: TaskState;
  task: OpenTask;
  /** Frames a second by which Label Studio counts the frames of a video. */
  framerate: number;
  /** The regions of the pressed label; undefined for a batch. */
  regions: readonly Region[] | undefined;
  /** Phrases of text areas. */
  phrases: readonly string[];
  /** Ids of the regions of the annotator who asks. */
  regionIds: ReadonlySet<string>;
  convert: Convert<Conversions>;
  /** Aborts shortly before Label Studio gives up, and when it has left. */
  signal: AbortSignal;
}

export interface Prediction {
  /** Each region of the answer as JSON. */
  result: string[];
  score: number;
  /** For the annotator. */
  message: string;
}

/** A phrase and the label of its objects. */
export type LabelledPhrase = readonly [phrase: string, label: string];

export const phrasesOfLabels = (labels: readonly Label[]): LabelledPhrase[] =>
  labels.flatMap(({ name, phrases }) => phrases.map((phrase) => [phrase, name] as const));

/** Searches for the phrases that are new. */
export async function searchPhrases(
  { task, state }: Pick<PredictionRequest, "task" | "state">,
  phrases: readonly LabelledPhrase[],
): Promise<void> {
  for (const [phrase, label] of phrases) {
    if (state.phrases.has(phrase)) continue;
    await sendPhrase(task, phrase);
    state.phrases.set(phrase, label);
    state.history.push(phrase);
  }
}

/** A sentence about phrases without an object. */
export function unfoundSentence(
  phrases: readonly LabelledPhrase[],
  results: ReadonlyMap<number, TrackedObject>,
): string | undefined {
  const found = new Set([...results.values()].map(({ concept }) => concept));
  const unfound = [...new Set(phrases.map(([phrase]) => phrase))].filter((phrase) => !found.has(phrase));
  if (unfound.length === 0) return undefined;
  const named = unfound.map((phrase) => JSON.stringify(phrase)).join(", ");
  return `Nothing is found for ${named}: the model may not know the word.`;
}

/** Computes what is missing and reads the results, whose new objects become objects of the task. */
export async function computeResults(
  { task, state, signal }: Pick<PredictionRequest, "task" | "state" | "signal">,
  options: { withMasks: boolean },
): Promise<{ isComplete: boolean; results: Map<number, TrackedObject> }> {
  const hasPrompts = state.objects.size > 0 || state.phrases.size > 0;
  const isComplete = !hasPrompts || task.facts.num_frames === 1 || (await computeStale(task, signal));
  const results = await readResults(task, options);
  adoptDetected(state, results);
  for (const [id, { boxes }] of results) {
    const object = state.objects.get(id);
    if (object?.concept !== undefined) object.trace = traceOf(boxes);
  }
  return { isComplete, results };
}
