/**
 * The tracking policy: the presets that packs name, and the fields that a session may override. Field names are those of
 * SAM 3's configuration.
 */
import { z } from "zod";
import { FIELD_LIMITS } from "./limits.js";

/** The presets that a pack's manifest can name; docs/policy.md describes them. */
export const PRESET_NAMES = ["sam3", "sam3-ablation", "transformers", "masklet", "compact"] as const;

const share = z.number().min(0).max(1);
const frames = z.int().min(0).max(1000);
const credit = z.int().min(-1000).max(1000);

const fields = {
  score_threshold_detection: share.describe(
    "Minimum score of a detection. Higher: fewer false positives. Lower: fewer misses",
  ),
  new_det_thresh: share.describe(
    "Minimum score of a detection that starts a new object on a frame without a prompt. Higher: fewer false objects. Lower: objects start earlier",
  ),
  det_nms_thresh: share.describe(
    "Maximum mask IoU of two detections of the same phrase (non-maximum suppression); 0 turns it off. Higher: touching objects survive. Lower: fewer duplicates",
  ),
  suppress_det_close_to_boundary: z
    .boolean()
    .describe(
      "Start no object at the very edge of the frame. On: fewer partial objects. Off: objects that enter the frame start earlier",
    ),
  assoc_iou_thresh: share.describe(
    "Minimum mask IoU that associates a detection with a track. Higher: more new objects. Lower: more detections join existing tracks",
  ),
  trk_assoc_iou_thresh: share.describe(
    "Minimum mask IoU at which a detection supports a track. Higher: more false tracks end, and some true ones. Lower: tracks survive longer without a good detection",
  ),
  o2o_matching_masklets_enable: z
    .boolean()
    .describe(
      "One detection supports at most one track. On: duplicate tracks end sooner. Off: tracks survive crossings better",
    ),
  hotstart_delay: frames.describe(
    "Frames by which the output lags, and length of the hot start of a new object. Higher: fewer false objects. Lower: earlier output",
  ),
  hotstart_unmatch_thresh: frames.describe(
    "Unmatched frames that end an object during its hot start; at most `hotstart_delay`. Higher: more tolerance. Lower: fewer false objects",
  ),
  hotstart_dup_thresh: frames.describe(
    "Frames of sharing a detection that end the younger of two objects during its hot start; at most `hotstart_delay`. Higher: duplicates live longer. Lower: duplicates end sooner",
  ),
  suppress_unmatched_only_within_hotstart: z
    .boolean()
    .describe(
      "On: after its hot start an unmatched object stays visible. Off: it is hidden when its keep-alive count is used up",
    ),
  init_trk_keep_alive: credit.describe(
    "Keep-alive count of a new object. Higher: unmatched tracks stay visible longer. Lower: they are hidden sooner",
  ),
  max_trk_keep_alive: credit.describe(
    "Maximum keep-alive count. Higher: long-matched objects stay visible longer without a match. Lower: all objects are hidden about equally soon",
  ),
  min_trk_keep_alive: credit.describe(
    "Minimum keep-alive count. Higher: hidden objects return sooner after a match. Lower: they need more matches first",
  ),
  decrease_trk_keep_alive_for_empty_masklets: z
    .boolean()
    .describe(
      "Frames with an empty mask also reduce the keep-alive count. On: an object that was out of sight stays hidden longer. Off: it returns at once",
    ),
  masklet_confirmation_enable: z
    .boolean()
    .describe(
      "Show an object only after several consecutive detections. On: fewer short false objects. Off: objects appear earlier",
    ),
  masklet_confirmation_consecutive_det_thresh: frames.describe(
    "Number of these detections. Higher: more certain. Lower: sooner",
  ),
  max_num_objects: z
    .int()
    .min(1)
    .max(10_000)
    .describe(
      "Maximum number of objects at a time. Higher: more objects at more cost. Lower: only the best new detections start objects",
    ),
  max_num_concepts: z
    .int()
    .min(1)
    .max(FIELD_LIMITS.conceptsPerSession.value)
    .describe(
      "Maximum number of concepts; one more fails with `concept_limit`. Higher: more phrases, each of which adds time to every frame. Lower: less time per frame",
    ),
  suppress_overlapping_based_on_recent_occlusion_threshold: share.describe(
    "Mask IoU above which one of two overlapping objects is hidden; 0 turns it off. Higher: more overlap stays visible. Lower: objects are hidden sooner",
  ),
  fill_hole_area: z
    .int()
    .min(0)
    .max(10_000)
    .describe(
      "Maximum area of holes and specks that are cleaned, in pixels of the mask grid (in SAM 3's answer to a click: of the video); 0 turns it off. Higher: smoother masks. Lower: finer masks",
    ),
  recondition_every_nth_frame: frames.describe(
    "Interval in frames at which a confident detection refreshes an object's memory; 0 turns it off. Higher: steadier. Lower: follows changes of appearance sooner",
  ),
  high_conf_thresh: share.describe(
    "Minimum detection score for that refresh. Higher: fewer refreshes. Lower: more",
  ),
  high_iou_thresh: share.describe("Minimum mask IoU for that refresh. Higher: fewer refreshes. Lower: more"),
  reconstruction_bbox_iou_thresh: share.describe(
    "Box IoU below which an object takes over the detection's mask; 0 turns it off. Higher: more corrections. Lower: fewer",
  ),
  reconstruction_bbox_det_score: share.describe(
    "Minimum detection score for that correction. Higher: fewer corrections. Lower: more",
  ),
  mf_threshold: share.describe(
    "Minimum score of a tracked frame in the memory bank. Higher: only the best observations are remembered. Lower: poor ones too",
  ),
  use_prev_mem_frame: z
    .boolean()
    .describe(
      "Decode clicks on tracked frames with the memory of earlier frames, under the motion-based rules only where the object shows no mask. On: the mask follows the object's appearance. Off: only the clicks count",
    ),
  use_stateless_refinement: z
    .boolean()
    .describe(
      "The first click on a detected object discards its memory. On: the object starts again at the click. Off: its memory is kept",
    ),
  refinement_detector_cond_frame_removal_window: frames.describe(
    "Distance in frames from a click within which conditioning frames of detections are removed. Higher: the click dominates longer. Lower: detections dominate again sooner",
  ),
} as const;

/** Every field is optional; the value of the pack's preset applies to an absent one. */
export const policySchema = z
  .strictObject(mapFields(fields))
  .describe("Overrides of the pack's preset for this session, see [policy](docs/policy.md)")
  .meta({ title: "policy" });

export type PolicyOverride = z.output<typeof policySchema>;

function mapFields<S extends Record<string, z.ZodType>>(shape: S) {
  return Object.fromEntries(
    Object.entries(shape).map(([name, schema]) => [name, schema.exactOptional()]),
  ) as {
    [Name in keyof S]: z.ZodExactOptional<S[Name]>;
  };
}
