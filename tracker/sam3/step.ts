/**
 * One frame by SAM 3's rules, in SAM 3's order: track everybody without remembering; detect; associate; judge the young;
 * correct; hide the hidden; remember; make new objects; remove.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py, and for what the policy calls differences of the port
 * huggingface/transformers:src/transformers/models/sam3_video/modeling_sam3_video.py.
 */
import type { Detection } from "../../detector/detect.js";
import { detectionQueries, detectOnce, runsDetection } from "../detection-search.js";
import type { Masklet } from "../masklet.js";
import { fillHoles } from "../masks/fill-holes.js";
import type { Frame } from "../model.js";
import { CERTAIN, isVisible, type Observation, scoreOf, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { StepResult, TrackedObject } from "../report.js";
import { speckArea, trackObjects } from "../track-objects.js";
import { awayFromBoundary, bestThatFit } from "./admission.js";
import { associateSam3, type OverlapFindings } from "./association.js";
import { sigmoid } from "./bucket-score.js";
import { confirm, unconfirmedIds } from "./confirmation.js";
import { groupOf } from "./groups.js";
import { updateHotStart } from "./hot-start.js";
import { startObjects } from "./new-objects.js";
import { BEING_REMOVED, findOccluded, NEVER_HIDDEN } from "./occlusion.js";
import { planCorrections } from "./recondition.js";
import { rememberTracked, rememberTruly } from "./remember.js";

export async function stepSam3(parts: TrackerParts, frame: Frame, reverse: boolean): Promise<StepResult> {
  const { features, policy, registry, history } = parts;
  const searching = runsDetection(parts);
  const levels = await features.get(frame, searching);
  const observations = await trackObjects(parts, levels, frame.index, reverse);
  const queries = searching ? detectionQueries(parts, frame.index, observations) : [];
  const detections = await detectOnce(parts, levels, queries);
  history.visited.add(frame.index);

  const findings = associateSam3(observations.map(toTrack), detections, policy);
  const searched = new Set<number | null>(queries.map(({ concept }) => concept.key));
  const unmatched = policy.life.countUnsearchedFrames
    ? findings.unmatched
    : findings.unmatched.filter((id) => searched.has(registry.get(id)?.conceptKey ?? null));
  const { admitted, dropped } = admit(parts, findings, detections);
  const born = admitted.map((detection) => createObject(parts, frame.index, detection));

  const facts = { ...findings, unmatched, frameIndex: frame.index, reverse, born: born.map(({ id }) => id) };
  const verdict = updateHotStart(history.hotStart, facts, policy.life);
  history.hotStart = verdict.hotStart;

  const corrections = await planCorrections(parts, levels, frame.index, observations, detections, findings);
  hideOccluded(parts, frame.index, reverse, observations, verdict.removed);
  await rememberTracked(parts, levels, frame.index, observations, corrections);
  await startObjects(
    parts,
    levels,
    frame.index,
    born,
    admitted.map(({ maskLogits }) => maskLogits),
  );
  if (policy.memory.retrackOnBirth && born.length > 0)
    await rememberTruly(parts, levels, frame.index, observations, true);
  updateStandings(parts, findings, born);
  for (const id of verdict.removed) registry.delete(id);

  const shown = new Map([...corrections].filter(([, { isShown }]) => isShown));
  const objects = [
    ...showTracked(parts, observations, verdict.removed, (id) => shown.get(id)?.detection.maskLogits),
    ...born.map((masklet, index) => {
      const object = showNewborn(parts, masklet, admitted[index] as Detection);
      // The list that slipped is longer than the survivors: what is left of it falls to the newborn.
      const left =
        policy.mask.slipsOnRemoval && observations[observations.length - verdict.removed.size + index];
      return left
        ? { ...object, claim: { group: object.claim?.group ?? null, prob: sigmoid(scoreOf(left)) } }
        : object;
    }),
  ];
  return {
    objects: objects.sort((a, b) => a.objectId - b.objectId),
    stats: { tracked: registry.all().length, dropped },
    hiding: {
      removed: [...verdict.removed],
      suppressed: [...verdict.suppressed],
      unconfirmed: policy.life.maskletConfirmationEnable ? unconfirmedIds(history.standings) : [],
    },
  };
}

export function toTrack({ masklet, bits }: Observation) {
  return { id: masklet.id, group: masklet.conceptKey, bits };
}

/** The new detections there is room for, in the order in which they get their ids. */
export function admit(
  { policy, registry, numFrames }: TrackerParts,
  findings: OverlapFindings,
  detections: readonly Detection[],
): { admitted: Detection[]; dropped: number } {
  const fresh = findings.born.map((index) => {
    const detection = detections[index] as Detection;
    return { detection, score: detection.score, box: detection.box ?? detection.extent.box };
  });
  const inside = awayFromBoundary(fresh, policy.detect);
  // Nothing will be followed through a single picture, so it may show as many as are found.
  const room = numFrames === 1 ? Infinity : policy.life.maxNumObjects - registry.all().length;
  const { kept, dropped } = bestThatFit(inside, room);
  return { admitted: kept.map(({ detection }) => detection), dropped };
}

export function createObject({ registry }: TrackerParts, frameIndex: number, detection: Detection): Masklet {
  return registry.create({
    conceptKey: [...detection.concepts][0] as number,
    prob: detection.score,
    bornFrame: frameIndex,
    motion: null,
    confirmed: true,
  });
}

/** Hides who follows another object, and notes for everybody when it was hidden last. */
function hideOccluded(
  { policy, geometry, history }: TrackerParts,
  frameIndex: number,
  reverse: boolean,
  observations: readonly Observation[],
  removed: ReadonlySet<number>,
): void {
  const objects = observations.map(({ masklet, bits }) => {
    const never = removed.has(masklet.id) ? BEING_REMOVED : NEVER_HIDDEN;
    const lastHidden = history.lastHidden.get(masklet.id) ?? never;
    return { group: groupOf(masklet, policy.detect), bits, lastHidden };
  });
  const hidden = findOccluded(objects, reverse, policy.overlap);
  const nothing = new Float32Array(geometry.m ** 2).fill(-10);
  const lastHidden = new Map<number, number>();
  observations.forEach((observation, index) => {
    const isHidden = hidden[index] || !isVisible(observation);
    const { id } = observation.masklet;
    if (!removed.has(id)) lastHidden.set(id, isHidden ? frameIndex : (objects[index]?.lastHidden as number));
    if (hidden[index]) setMask(observation, nothing);
  });
  history.lastHidden = lastHidden;
}

function updateStandings(
  { history, registry, policy }: TrackerParts,
  findings: OverlapFindings,
  born: Masklet[],
) {
  const matched = new Set([...findings.matched.flat(), ...born.map(({ id }) => id)]);
  const ids = registry.all().map(({ id }) => id);
  history.standings = confirm(history.standings, ids, matched, policy.life);
}

/**
 * The tracked objects as they are shown. The port of SAM 3 shows, on a frame that removes an object, each later object with
 * the mask and probability of the one before it, because it pairs the survivors with the list from before.
 */
function showTracked(
  { policy }: TrackerParts,
  observations: readonly Observation[],
  removed: ReadonlySet<number>,
  correctionOf: (id: number) => Float32Array | undefined,
): TrackedObject[] {
  const survivors = observations.filter(({ masklet }) => !removed.has(masklet.id));
  return survivors.map(({ masklet }, place) => {
    const source = (policy.mask.slipsOnRemoval ? observations[place] : survivors[place]) as Observation;
    const score = scoreOf(source);
    return {
      objectId: masklet.id,
      prob: masklet.prob,
      maskLogits: correctionOf(masklet.id) ?? source.maskLogits,
      score,
      claim: { group: groupOf(masklet, policy.detect), prob: sigmoid(score) },
    };
  });
}

export function showNewborn(
  { policy, geometry }: TrackerParts,
  { id, conceptKey }: Pick<Masklet, "id" | "conceptKey">,
  detection: Detection,
): TrackedObject {
  const maskLogits = fillHoles(detection.maskLogits, geometry.m, speckArea(geometry, policy.mask));
  const claim = { group: groupOf({ id, conceptKey }, policy.detect), prob: detection.score };
  return { objectId: id, prob: detection.score, maskLogits, score: CERTAIN, claim };
}
