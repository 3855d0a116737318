/**
 * SAM 3's reconditioning: now and then, where a confident detection fits a track closely, the frame becomes a
 * conditioning frame, so that memory keeps up with how the object looks.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (reconditioning of masklets).
 */
import type { Detection } from "../../detector/detect.js";
import { type BoxXyxy, boxIou } from "../../detector/geometry.js";
import type { FrameFeatures } from "../../detector/graph.js";
import { maskExtent } from "../../detector/mask-bits.js";
import type { Start } from "../model.js";
import { type Observation, scoreOf } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import type { OverlapFindings } from "./association.js";
import { toInputMasks } from "./new-objects.js";

export interface Correction {
  detection: Detection;
  /** The frame shows the detection's mask. */
  isShown: boolean;
  /** The object as it starts anew from the detection, where the policy wants that. */
  start: Start | null;
}

export interface CorrectionCandidate {
  id: number;
  /** Object score logit of the track; compared as it is, not as a probability. */
  score: number;
  /** Box of the tracked mask; null when it has no pixel. */
  box: BoxXyxy | null;
  detection: { score: number; box: BoxXyxy };
}

/**
 * @param candidates the objects that a confident detection fits closely
 * @returns ids of the objects to correct, each with whether its box was wrong
 */
export function chooseCorrections(
  candidates: readonly CorrectionCandidate[],
  frameIndex: number,
  rules: TrackerPolicy["recondition"],
): Map<number, { isBoxWrong: boolean }> {
  const isBoxWrong = ({ box, detection }: CorrectionCandidate) =>
    box !== null &&
    boxIou(box, detection.box) < rules.reconstructionBboxIouThresh &&
    detection.score >= Math.fround(rules.reconstructionBboxDetScore);
  const every = rules.reconditionEveryNthFrame;
  const isPeriodic = every > 0 && frameIndex % every === 0;
  // Either reason corrects everybody who fits.
  if (!isPeriodic && !candidates.some(isBoxWrong)) return new Map();
  const sure = candidates.filter(({ score }) => score > rules.highConfThresh);
  return new Map(sure.map((candidate) => [candidate.id, { isBoxWrong: isBoxWrong(candidate) }]));
}

/** @returns by object id */
export async function planCorrections(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  observations: readonly Observation[],
  detections: readonly Detection[],
  { confirmed }: OverlapFindings,
): Promise<Map<number, Correction>> {
  const { policy, geometry, model } = parts;
  const rules = policy.recondition;
  const candidates = observations.flatMap((observation): CorrectionCandidate[] => {
    const { id } = observation.masklet;
    const detection = detections[confirmed.get(id) ?? -1];
    const isUsers = observation.stored?.kind === "prompted";
    if (!detection || (isUsers && !policy.sam3Parity.overrulesUser)) return [];
    const { score, extent, box = extent.box } = detection;
    const own = lastPixelBox(maskExtent(observation.maskLogits, geometry.m)?.box ?? null, geometry.m);
    return [{ id, score: scoreOf(observation), box: own, detection: { score, box } }];
  });
  const chosen = chooseCorrections(candidates, frameIndex, rules);
  const ids = [...chosen.keys()];
  const taken = ids.map((id) => detections[confirmed.get(id) as number] as Detection);
  const masks =
    policy.transformersParity.reconditionWith === "pointer" ? taken.map(({ maskLogits }) => maskLogits) : [];
  const { inside, side } = toInputMasks(masks, parts);
  const starts = await model.start(features, inside, side);
  return new Map(
    ids.map((id, index) => {
      const isShown = policy.transformersParity.showReconditioned || (chosen.get(id)?.isBoxWrong ?? false);
      return [id, { detection: taken[index] as Detection, isShown, start: starts[index] ?? null }];
    }),
  );
}

/** As the reference measures tracked masks: the last column and row are the edge. */
function lastPixelBox(box: BoxXyxy | null, side: number): BoxXyxy | null {
  return box && [box[0], box[1], box[2] - 1 / side, box[3] - 1 / side];
}
