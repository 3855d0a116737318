/**
 * SAM 3's reconditioning: periodically, a frame on which a confident detection matches the track closely becomes a
 * conditioning frame, so that the memory adapts to changes of appearance.
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
  /** Pointer and mask that are computed from the detection; null: the tracked ones are kept. */
  start: Start | null;
}

export interface CorrectionCandidate {
  id: number;
  /** Object score logit of the track. As in SAM 3, the logit is compared with the threshold, not its probability. */
  score: number;
  /** Box of the tracked mask; null: the mask is empty. */
  box: BoxXyxy | null;
  detection: { score: number; box: BoxXyxy };
}

/**
 * Chooses the tracks to correct on a frame.
 * @param candidates the objects that a confident detection matches closely
 * @returns the objects to correct, by id; `isBoxWrong`: the box of the track differs too much from that of the detection
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
  // As in SAM 3, each of the two reasons corrects all candidates.
  if (!isPeriodic && !candidates.some(isBoxWrong)) return new Map();
  const sure = candidates.filter(({ score }) => score > rules.highConfThresh);
  return new Map(sure.map((candidate) => [candidate.id, { isBoxWrong: isBoxWrong(candidate) }]));
}

/** Chooses the tracks to correct, and computes their new pointers and masks. @returns by object id */
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
    const isPrompted = observation.stored?.kind === "prompted";
    if (!detection || observation.locked || (isPrompted && !policy.sam3Parity.overrulesUser)) return [];
    const { score, extent, box = extent.box } = detection;
    const own = lastPixelBox(maskExtent(observation.maskLogits, geometry.m)?.box ?? null, geometry.m);
    return [{ id, score: scoreOf(observation), box: own, detection: { score, box } }];
  });
  const chosen = chooseCorrections(candidates, frameIndex, rules);
  const ids = [...chosen.keys()];
  const accepted = ids.map((id) => detections[confirmed.get(id) as number] as Detection);
  const masks =
    policy.transformersParity.reconditionWith === "pointer"
      ? accepted.map(({ maskLogits }) => maskLogits)
      : [];
  const { inside, side } = toInputMasks(masks, parts);
  const starts = await model.start(features, inside, side);
  return new Map(
    ids.map((id, index) => {
      const isShown = policy.transformersParity.showReconditioned || (chosen.get(id)?.isBoxWrong ?? false);
      return [id, { detection: accepted[index] as Detection, isShown, start: starts[index] ?? null }];
    }),
  );
}

/** The box of a tracked mask as in SAM 3: the right and bottom edges are the last pixels, inclusive. */
function lastPixelBox(box: BoxXyxy | null, side: number): BoxXyxy | null {
  return box && [box[0], box[1], box[2] - 1 / side, box[3] - 1 / side];
}
