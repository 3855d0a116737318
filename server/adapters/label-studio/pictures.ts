/** Pictures, and sequences of pictures: one smart click or box fills all pages with masks. */
import { type CocoRle, decodeMask } from "../../../protocol/index.js";
import { encodeBrush } from "../../exports/brush.js";
import { controlOf, type LabelConfig } from "./label-config.js";
import type { Answered, Region } from "./schemas.js";
import { addObject, type OpenTask, type Prompt, type TaskObject, type TaskState } from "./tasks.js";
import {
  adoptDetected,
  computeStale,
  readResults,
  repeatPrompts,
  sendPhrase,
  sendPrompt,
  type TrackedObject,
} from "./tracking.js";
import type { PredictedResult } from "./video.js";
import { clamped } from "./video.js";

export interface PictureRequest {
  config: LabelConfig;
  state: TaskState;
  task: OpenTask & { isNew: boolean };
  /** The smart regions of the pressed label; undefined for a batch. */
  regions: readonly Region[] | undefined;
  phrases: readonly string[];
  signal: AbortSignal;
}

export async function predictPictures(request: PictureRequest): Promise<PredictedResult> {
  const { config, state, task, regions, phrases, signal } = request;
  const control = controlOf(config, "brushlabels");
  if (!control) return { result: [], score: 0, message: "The labeling configuration has no <BrushLabels>." };
  if (task.isNew) await repeatPrompts(task, state);
  const before = regions && (await readResults(task, true));
  const chosen = new Set<TaskObject>();
  const problems: string[] = [];
  for (const group of groupsOf(regions ?? [])) {
    const object = await promptGroup(group, { task, state, results: before ?? new Map() });
    if (typeof object === "string") problems.push(object);
    else chosen.add(object);
  }
  const fallback = chosen.values().next().value?.label ?? config.labels[0]?.name ?? "object";
  const wanted = regions
    ? phrases.map((text) => [text, fallback] as const)
    : control.labels.flatMap(({ name, phrases: own }) => own.map((phrase) => [phrase, name] as const));
  for (const [phrase, name] of wanted) {
    if (state.phrases.has(phrase)) continue;
    await sendPhrase(task, phrase);
    state.phrases.set(phrase, name);
  }
  const hasPrompts = state.objects.size > 0 || state.phrases.size > 0;
  const isComplete = !hasPrompts || task.facts.num_frames === 1 || (await computeStale(task, signal));
  const results = await readResults(task, true);
  adoptDetected(state, results);
  const shown = [...state.objects.values()].filter(
    (object) => chosen.has(object) || ((!regions || phrases.length > 0) && object.prompts.length === 0),
  );
  const { isList, name: to_name } = config.media;
  const result = shown.flatMap((object): Answered[] =>
    (results.get(object.id)?.masks ?? []).flatMap((mask, page) =>
      mask
        ? {
            ...{ id: `masklet-${object.id}-${page}`, type: "brushlabels", from_name: control.name, to_name },
            ...{ original_width: task.facts.width, original_height: task.facts.height, image_rotation: 0 },
            ...(isList && { item_index: page }),
            ...{ origin: "prediction", score: results.get(object.id)?.score ?? 0 },
            value: { format: "rle", rle: encodeBrush(mask), brushlabels: [object.label] },
          }
        : [],
    ),
  );
  const score = Math.max(0, ...shown.map(({ id }) => results.get(id)?.score ?? 0));
  const end = isComplete
    ? `${result.length} ${result.length === 1 ? "mask" : "masks"} on ${task.facts.num_frames} ${task.facts.num_frames === 1 ? "picture" : "pictures"}.`
    : "The pictures are not tracked to their end yet: click again to continue.";
  return { result, score, message: [...problems, end].join(" ") };
}

interface Group {
  label: string;
  regions: Region[];
}

/** The smart regions of one object: those with the same label. */
function groupsOf(regions: readonly Region[]): Group[] {
  const groups = new Map<string, Group>();
  for (const region of new Map(regions.map((one) => [one.id, one])).values()) {
    const { keypointlabels, rectanglelabels, labels, x, y } = region.value;
    if (!["keypointlabels", "rectanglelabels"].includes(region.type) || x === undefined || y === undefined)
      continue;
    const label = (keypointlabels ?? rectanglelabels ?? labels)?.[0] ?? "object";
    const group = groups.get(label) ?? { label, regions: [] };
    group.regions.push(region);
    groups.set(label, group);
  }
  return [...groups.values()];
}

interface PromptParts {
  task: OpenTask;
  state: TaskState;
  /** Before the prompts. */
  results: ReadonlyMap<number, TrackedObject>;
}

const pageOf = ({ item_index }: Region) => item_index ?? 0;
const isPoint = ({ type }: Region) => type === "keypointlabels";
const isPositive = ({ is_positive }: Region) => is_positive !== false;

/** Returns the object of the clicks and boxes, or a sentence when they mark none. */
async function promptGroup({ label, regions }: Group, parts: PromptParts): Promise<TaskObject | string> {
  const { task, state } = parts;
  const outside = regions.find((region) => pageOf(region) >= task.facts.num_frames);
  if (outside) return `There is no page ${pageOf(outside) + 1}.`;
  const same = [...state.objects.values()].find(({ regionIds }) =>
    regions.some(({ id }) => regionIds.has(id)),
  );
  const touched = same ? undefined : touchedObject(label, regions, parts);
  const marks = regions.some(isPositive);
  if (!same && !touched && !marks) return "A negative click needs an object: click on the object first.";
  const object = same ?? touched ?? addObject(state, label);
  for (const page of new Set(regions.map(pageOf))) {
    const own = regions.filter((region) => pageOf(region) === page);
    const earlier = touched?.prompts.find((prompt) => prompt.kind === "clicks" && prompt.frame === page);
    const prompt = promptOf(own, page, earlier);
    if (!prompt) {
      if (object.prompts.length === 0) state.objects.delete(object.id);
      return "The box is outside the picture.";
    }
    await sendPrompt(task, object.id, prompt);
    const isSame = (one: Prompt) => one.kind !== "absent" && one.frame === page;
    object.prompts = [...object.prompts.filter((one) => !isSame(one)), prompt];
  }
  for (const { id } of regions) object.regionIds.add(id);
  return object;
}

/** All clicks of a page, and its last box. @param earlier whose clicks are kept, because the page no longer has them */
function promptOf(regions: readonly Region[], page: number, earlier: Prompt | undefined): Prompt | undefined {
  const clicks = regions.filter(isPoint);
  const kept = earlier?.kind === "clicks" ? earlier : undefined;
  const boxed = regions.findLast((region) => !isPoint(region));
  const { x = 0, y = 0, width = 0, height = 0 } = boxed?.value ?? {};
  const box = boxed ? clamped([x, y, width, height]) : kept?.box;
  const points = [...(kept?.points ?? []), ...clicks.map(({ value }) => pointOf(value.x ?? 0, value.y ?? 0))];
  const labels = [...(kept?.labels ?? []), ...clicks.map((click) => (isPositive(click) ? 1 : 0) as 0 | 1)];
  if (points.length > 0) return { kind: "clicks", frame: page, points, labels, ...(box && { box }) };
  return box && { kind: "box", frame: page, box };
}

const pointOf = (x: number, y: number): [number, number] => [relative(x), relative(y)];
const relative = (percent: number) => Math.min(1, Math.max(0, percent / 100));

/**
 * The object of this label whose mask contains a click. Label Studio forgets the clicks when their masks are accepted, so a further
 * click on a mask refines its object; elsewhere it starts a new one.
 */
function touchedObject(
  label: string,
  regions: readonly Region[],
  { state, results }: PromptParts,
): TaskObject | undefined {
  for (const region of regions.filter(isPoint)) {
    const [x, y] = pointOf(region.value.x ?? 0, region.value.y ?? 0);
    for (const object of state.objects.values()) {
      const mask = results.get(object.id)?.masks[pageOf(region)];
      if (object.label === label && mask && contains(mask, x, y)) return object;
    }
  }
  return undefined;
}

function contains(mask: CocoRle, x: number, y: number): boolean {
  const [height, width] = mask.size;
  const column = Math.min(width - 1, Math.floor(x * width));
  const row = Math.min(height - 1, Math.floor(y * height));
  return decodeMask(mask).data[row * width + column] === 1;
}
