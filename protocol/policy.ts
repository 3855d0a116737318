/**
 * How detections and tracks are put together: presets that packs name, and the single fields that a session may change.
 * Names are those of SAM 3's configuration.
 */
import { z } from "zod";

/** Sets of rules that a pack's manifest can name; what each is for is said in PROTOCOL.md. */
export const PRESET_NAMES = ["sam3", "sam3-ablation", "transformers", "masklet", "compact"] as const;

const share = z.number().min(0).max(1);
const frames = z.int().min(0).max(1000);
const credit = z.int().min(-1000).max(1000);

const fields = {
  score_threshold_detection: share.describe(
    "Score above which something is a detection. Higher: fewer false alarms. Lower: fewer misses",
  ),
  new_det_thresh: share.describe(
    "Score a detection needs to become an object on a frame nobody prompted. Higher: fewer ghosts. Lower: earlier births",
  ),
  det_nms_thresh: share.describe(
    "Mask IoU two detections of one phrase may have; 0 is off. Higher: touching things survive. Lower: fewer doubles",
  ),
  suppress_det_close_to_boundary: z
    .boolean()
    .describe("Leave out new objects at the very edge of the frame. On: fewer halves. Off: earlier arrivals"),
  assoc_iou_thresh: share.describe(
    "Mask IoU that ties a detection to an object. Higher: more new objects. Lower: more is taken for what is known",
  ),
  trk_assoc_iou_thresh: share.describe(
    "Mask IoU from which a track counts as supported. Higher: more ghosts end, and real things with them. Lower: more patience",
  ),
  o2o_matching_masklets_enable: z
    .boolean()
    .describe(
      "One detection supports one object at most. On: doubles end sooner. Off: crossings are survived better",
    ),
  hotstart_delay: frames.describe(
    "Frames by which the stream lags, and length of an object's probation. Higher: fewer ghosts. Lower: earlier output",
  ),
  hotstart_unmatch_thresh: frames.describe(
    "Unsupported frames that end a young object; at most the delay. Higher: more patience. Lower: fewer ghosts",
  ),
  hotstart_dup_thresh: frames.describe(
    "Frames of sharing a detection that end the younger object; at most the delay. Higher: doubles live longer. Lower: they go sooner",
  ),
  suppress_unmatched_only_within_hotstart: z
    .boolean()
    .describe("Off: also later, an object whose keep-alive credit is used up is hidden. On: it stays shown"),
  init_trk_keep_alive: credit.describe(
    "Credit of a new object. Higher: unsupported tracks are shown longer. Lower: they are hidden sooner",
  ),
  max_trk_keep_alive: credit.describe(
    "Most credit to be earned. Higher: what was seen long is trusted longer. Lower: everybody is hidden alike",
  ),
  min_trk_keep_alive: credit.describe(
    "Least credit. Higher: hidden objects return at once. Lower: they must be seen for longer first",
  ),
  decrease_trk_keep_alive_for_empty_masklets: z
    .boolean()
    .describe(
      "Frames without a mask cost credit too. On: what was away is hidden longer. Off: it returns at once",
    ),
  masklet_confirmation_enable: z
    .boolean()
    .describe("Show objects only after detections in a row. On: fewer flashes. Off: earlier arrivals"),
  masklet_confirmation_consecutive_det_thresh: frames.describe(
    "That number of detections. Higher: surer. Lower: sooner",
  ),
  max_num_objects: z
    .int()
    .min(1)
    .max(10_000)
    .describe(
      "Objects at once. Higher: more is followed, at more cost. Lower: the best of new detections are taken",
    ),
  suppress_overlapping_based_on_recent_occlusion_threshold: share.describe(
    "Mask IoU from which one of two objects is hidden; 0 is off. Higher: more overlap is shown. Lower: sooner hidden",
  ),
  fill_hole_area: z
    .int()
    .min(0)
    .max(10_000)
    .describe(
      "Holes and specks up to so many pixels are cleaned, of the mask grid, or in SAM 3's answer to a click of the video; 0 is off. Higher: smoother. Lower: finer",
    ),
  recondition_every_nth_frame: frames.describe(
    "How often a confident detection renews an object's memory; 0 is never. Higher: steadier. Lower: changes are followed",
  ),
  high_conf_thresh: share.describe("Detection score needed for that. Higher: fewer renewals. Lower: more"),
  high_iou_thresh: share.describe("Mask IoU needed for that. Higher: fewer renewals. Lower: more"),
  reconstruction_bbox_iou_thresh: share.describe(
    "Box IoU below which an object takes the detection's mask; 0 is off. Higher: more corrections. Lower: fewer",
  ),
  reconstruction_bbox_det_score: share.describe(
    "Detection score needed for that. Higher: fewer corrections. Lower: more",
  ),
  mf_threshold: share.describe(
    "Score above which a tracked frame is remembered by. Higher: only the best looks. Lower: poor ones too",
  ),
  use_prev_mem_frame: z
    .boolean()
    .describe(
      "Decode clicks on tracked frames with memory. On: the object is known. Off: only the clicks count",
    ),
  use_stateless_refinement: z
    .boolean()
    .describe(
      "The first click on a detected object makes it anew. On: its past is forgotten. Off: it goes on",
    ),
  refinement_detector_cond_frame_removal_window: frames.describe(
    "Frames around a click on which the detector's word counts no more. Higher: the click rules longer. Lower: shorter",
  ),
} as const;

/** Each field may be left out: what the pack's preset says then holds. */
export const policySchema = z
  .strictObject(mapFields(fields))
  .describe("Single rules of this session in place of the pack's, see [policy](#policy)")
  .meta({ title: "policy" });

export type PolicyOverride = z.output<typeof policySchema>;

function mapFields<S extends Record<string, z.ZodType>>(shape: S) {
  return Object.fromEntries(
    Object.entries(shape).map(([name, schema]) => [name, schema.exactOptional()]),
  ) as {
    [Name in keyof S]: z.ZodExactOptional<S[Name]>;
  };
}
