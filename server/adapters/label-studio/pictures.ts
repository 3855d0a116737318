/** Pictures, and sequences of pictures: one smart click or box fills all pages with masks. */
import { type CocoRle, turnsOf } from "../../../protocol/index.js";
import { clamped, relative, uprightBox } from "./boxes.js";
import { controlOf } from "./label-config.js";
import {
  computeResults,
  type Prediction,
  type PredictionRequest,
  phrasesOfLabels,
  searchPhrases,
  unfoundSentence,
} from "./prediction.js";
import { restore } from "./restore.js";
import type { Region } from "./schemas.js";
import { lastAtMost } from "./search.js";
import {
  drawObject,
  forgetObject,
  type OpenTask,
  objectOf,
  type Prompt,
  rememberPrompt,
  rememberRegion,
  type TaskObject,
  type TaskState,
} from "./tasks.js";
import { readResults, sendPrompt, type TrackedObject } from "./tracking.js";

/** @param request whose regions are the smart ones of the pressed label */
export async function predictPictures(request: PredictionRequest): Promise<Prediction> {
  const { config, state, task, regions, phrases } = request;
  const control = controlOf(config, "brushlabels");
  if (!control) return { result: [], score: 0, message: "The labeling configuration has no <BrushLabels>." };
  const problems = await restore(task, state, request.signal);
  const chosen = new Set<TaskObject>();
  for (const group of groupsOf(regions ?? [])) {
    const object = await promptGroup(group, task, state);
    if (typeof object === "string") problems.push(object);
    else chosen.add(object);
  }
  const fallback = chosen.values().next().value?.label ?? config.labels[0]?.name ?? "object";
  const asked = regions ? phrases.map((text) => [text, fallback] as const) : phrasesOfLabels(control.labels);
  await searchPhrases(request, asked);
  const { isComplete, results } = await computeResults(request, { withMasks: true });
  const unfound = unfoundSentence(asked, results);
  if (unfound !== undefined) problems.push(unfound);
  const shown = [...state.objects.values()].filter(
    (object) => chosen.has(object) || ((!regions || phrases.length > 0) && object.concept !== undefined),
  );
  const result: string[] = [];
  for (const object of shown) {
    const tracked = results.get(object.id);
    if (tracked) result.push(...(await brushRegions(request, object, tracked, control.name)));
  }
  const score = Math.max(0, ...shown.map(({ id }) => results.get(id)?.score ?? 0));
  const end = isComplete
    ? `${counted(result.length, "mask")} on ${counted(task.facts.num_frames, "picture")}.`
    : "The pictures are not tracked to their end yet: click again to continue.";
  return { result, score, message: [...problems, end].join(" ") };
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** A brush region for each page with a mask. */
async function brushRegions(
  { config, task, convert }: PredictionRequest,
  { name, label }: TaskObject,
  { masks, score }: TrackedObject,
  from_name: string,
): Promise<string[]> {
  const { isList, name: to_name } = config.media;
  const { width, height } = task.facts;
  const written: string[] = [];
  for (const [page, mask] of masks.entries()) {
    if (!mask) continue;
    const region = {
      ...{ id: `${name}-${page}`, type: "brushlabels", from_name, to_name },
      ...{ original_width: width, original_height: height, image_rotation: 0 },
      ...(isList && { item_index: page }),
      ...{ origin: "prediction", score },
    };
    written.push(await convert("brushRegion", mask, region, label));
  }
  return written;
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

const pageOf = ({ item_index }: Region) => item_index ?? 0;
const isPoint = ({ type }: Region) => type === "keypointlabels";
const isPositive = ({ is_positive }: Region) => is_positive !== false;

/** Returns the object of the clicks and boxes, or a sentence when they mark none. */
async function promptGroup(
  { label, regions }: Group,
  task: OpenTask,
  state: TaskState,
): Promise<TaskObject | string> {
  const outside = regions.find((region) => pageOf(region) >= task.facts.num_frames);
  if (outside) return `There is no page ${pageOf(outside) + 1}.`;
  const [same] = regions.flatMap(({ id }) => objectOf(state, id) ?? []);
  const touched = same ? undefined : await touchedObject(label, regions, task, state);
  const marks = regions.some(isPositive);
  if (!same && !touched && !marks) return "A negative click needs an object: click on the object first.";
  const known = same ?? touched;
  const object = known ?? drawObject(state, label);
  try {
    for (const page of new Set(regions.map(pageOf))) {
      const own = regions.filter((region) => pageOf(region) === page);
      const earlier = touched?.prompts.find((prompt) => prompt.kind === "clicks" && prompt.frame === page);
      const prompt = promptOf(own, page, earlier, task.facts);
      if (!prompt) return "The box is outside the picture.";
      await sendPrompt(task, object.id, prompt);
      rememberPrompt(object, prompt);
    }
  } finally {
    if (!known && object.prompts.length === 0) forgetObject(state, object.id);
  }
  for (const { id } of regions) rememberRegion(object, id);
  return object;
}

/** All clicks of a page, and its last box. @param earlier whose clicks are kept, because the page no longer has them */
function promptOf(
  regions: readonly Region[],
  page: number,
  earlier: Prompt | undefined,
  size: { width: number; height: number },
): Prompt | undefined {
  const clicks = regions.filter(isPoint);
  const kept = earlier?.kind === "clicks" ? earlier : undefined;
  const boxed = regions.findLast((region) => !isPoint(region));
  const { x = 0, y = 0, width = 0, height = 0, rotation = 0 } = boxed?.value ?? {};
  const box = boxed ? clamped(uprightBox([x, y, width, height], rotation, size)) : kept?.box;
  const points = [...(kept?.points ?? []), ...clicks.map(({ value }) => pointOf(value.x ?? 0, value.y ?? 0))];
  const labels = [...(kept?.labels ?? []), ...clicks.map((click) => (isPositive(click) ? 1 : 0) as 0 | 1)];
  if (points.length > 0) return { kind: "clicks", frame: page, points, labels, ...(box && { box }) };
  return box && { kind: "box", frame: page, box };
}

const pointOf = (x: number, y: number): [number, number] => [relative(x), relative(y)];

/**
 * The object of this label whose mask contains a click. Label Studio removes the clicks when their masks are accepted, so a further
 * click on a mask refines its object; elsewhere it starts a new one.
 */
async function touchedObject(
  label: string,
  regions: readonly Region[],
  task: OpenTask,
  state: TaskState,
): Promise<TaskObject | undefined> {
  const candidates = [...state.objects.values()].filter((object) => object.label === label);
  const clicks = candidates.length > 0 ? regions.filter(isPoint) : [];
  for (const page of new Set(clicks.map(pageOf))) {
    const results = await readResults(task, { withMasks: true, onlyFrame: page });
    for (const { value } of clicks.filter((region) => pageOf(region) === page)) {
      const [x, y] = pointOf(value.x ?? 0, value.y ?? 0);
      const isTouched = ({ id }: TaskObject) => {
        const mask = results.get(id)?.masks[page];
        return mask !== undefined && contains(mask, x, y);
      };
      const touched = candidates.find(isTouched);
      if (touched) return touched;
    }
  }
  return undefined;
}

/** True when clicks or boxes refine an object of a state. */
export async function refines(
  regions: readonly Region[],
  task: OpenTask,
  state: TaskState,
): Promise<boolean> {
  for (const group of groupsOf(regions))
    if (await touchedObject(group.label, group.regions, task, state)) return true;
  return false;
}

function contains(mask: CocoRle, x: number, y: number): boolean {
  const [height, width] = mask.size;
  const column = Math.min(width - 1, Math.floor(x * width));
  const row = Math.min(height - 1, Math.floor(y * height));
  // The turns are those into the mask and out of it.
  return lastAtMost(turnsOf(mask), column * height + row, (turn) => turn) % 2 === 0;
}
