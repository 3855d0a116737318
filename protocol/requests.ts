/**
 * The messages of a client. Field names and defaults of requests are those of SAM 3's `handle_request`, with the additions
 * of SAM 3.1. `upload_id`, `replace`, `semantic_map`, `window`, `get_session`, `ack`, and `cancel_propagation` as a request
 * on the same socket exist only here. `predict` has the fields of `predict_torch`, the batched method of SAM's image
 * predictor (`facebookresearch/segment-anything:segment_anything/predictor.py`).
 *
 * The schemas of requests describe bodies: on the wire each also has a `request_id`.
 */
import { z } from "zod";
import {
  boxXywh,
  boxXyxy,
  frameIndex,
  lowResMask,
  objectId,
  phrase,
  point,
  polarity,
  probability,
  promptedFrame,
  requestId,
  resourcePath,
  sessionId,
  sessionToken,
} from "./fields.js";
import { FIELD_LIMITS } from "./limits.js";
import { policySchema } from "./policy.js";
import { predictProblem } from "./predict-rules.js";
import { promptProblem } from "./prompt-rules.js";
import { authenticate } from "./requests/authenticate.js";
import { EDIT_SCHEMAS, type EditType } from "./requests/edits.js";
import { attachSession, detachSession, getServer } from "./requests/lasting.js";
import { liveFields, sourceProblem } from "./requests/live.js";
import { maskFormatFields } from "./requests/mask-format.js";
import { maskInput } from "./requests/masks.js";
import { loadSession, saveSession } from "./requests/saving.js";
import { listSuspects } from "./requests/suspects.js";
import { redo, undo } from "./requests/undo.js";

const startSession = z
  .strictObject({
    type: z.literal("start_session"),
    resource_path: resourcePath
      .exactOptional()
      .describe("Video, image, or folder of images; absolute, or relative to a media root"),
    upload_id: z
      .string()
      .min(1)
      .max(FIELD_LIMITS.uploadIdLength.value)
      .exactOptional()
      .describe("From `POST /v1/uploads`, instead of a path"),
    ...liveFields,
    session_id: sessionId.exactOptional().describe("Chosen by the client; default: chosen by the server"),
    session_token: sessionToken
      .exactOptional()
      .describe(
        "A secret chosen by the client, for `attach_session` when the answer is lost; default: chosen by the server",
      ),
    policy: policySchema.exactOptional(),
    ...maskFormatFields,
    offload_video_to_cpu: z
      .boolean()
      .default(false)
      .describe("Accepted for compatibility with SAM 3.1; no effect"),
    offload_state_to_cpu: z
      .boolean()
      .default(false)
      .describe("Accepted for compatibility with SAM 3.1; no effect"),
  })
  .superRefine((request, context) => {
    const problem = sourceProblem(request);
    if (problem) {
      const { path, message, missing } = problem;
      context.addIssue({ code: "custom", path, message, params: { missing } });
    }
  });

const addPrompt = z
  .strictObject({
    type: z.literal("add_prompt"),
    session_id: sessionId,
    frame_index: promptedFrame.describe("The frame of the prompt; in live sessions also `latest`"),
    text: phrase.exactOptional().describe("A short noun phrase; every instance of it becomes an object"),
    text_label: polarity
      .exactOptional()
      .describe(
        "0: a negative phrase, whose instances are not objects; see [below](#negative-phrases). Default: 1",
      ),
    points: z
      .array(point)
      .min(1)
      .max(FIELD_LIMITS.pointsPerPrompt.value)
      .exactOptional()
      .describe("Clicks on one object, `[x, y]` each"),
    point_labels: z.array(polarity).exactOptional().describe("One per point: 1 on the object, 0 off it"),
    bounding_boxes: z
      .array(boxXywh)
      .min(1)
      .max(FIELD_LIMITS.boxesPerPrompt.value)
      .exactOptional()
      .describe(
        "`[x, y, width, height]` each. With `obj_id`: that object, one box. Without: exemplars of the concept",
      ),
    bounding_box_labels: z
      .array(polarity)
      .exactOptional()
      .describe("One per exemplar: 1 positive, 0 negative"),
    mask: maskInput
      .exactOptional()
      .describe("The mask of one object on this frame, alone or with points that refine it"),
    obj_id: objectId
      .exactOptional()
      .describe(
        "The object of the points, the box or the mask; an id that does not exist yet creates an object. Default: a new object whose id the server chooses",
      ),
    rel_coordinates: z
      .boolean()
      .default(true)
      .describe("True: coordinates are 0 to 1 of the frame. False: pixels of the source"),
    clear_old_points: z.boolean().default(true).describe("Discard the object's earlier points on this frame"),
    clear_old_boxes: z
      .boolean()
      .default(true)
      .describe("Discard the object's earlier box on this frame, unless its earlier points are kept"),
    output_prob_thresh: probability.default(0.5).describe("Omit objects below this probability"),
    ...maskFormatFields,
    replace: z
      .boolean()
      .default(false)
      .describe("Discard earlier concepts and their objects first, as SAM 3 does"),
    track_others: z
      .boolean()
      .default(true)
      .describe(
        "False: the answer to a prompt on one object contains the others only where this frame has stored masks of them",
      ),
    semantic_map: z
      .boolean()
      .default(false)
      .describe("Also return a map of this frame that combines all instances of the concept"),
  })
  .superRefine((prompt, context) => {
    const problem = promptProblem(prompt);
    if (problem) {
      const { path, message, missing } = problem;
      context.addIssue({ code: "custom", path, message, params: { missing } });
    }
  });

const predict = z
  .strictObject({
    type: z.literal("predict"),
    session_id: sessionId,
    frame_index: promptedFrame
      .default(0)
      .describe("The frame of the prompts; in live sessions also `latest`"),
    point_coords: z
      .array(z.array(point).min(1).max(FIELD_LIMITS.pointsPerPrompt.value))
      .min(1)
      .max(FIELD_LIMITS.promptsPerPrediction.value)
      .exactOptional()
      .describe("Clicks, `[x, y]` each: one list per prompt, all of the same length"),
    point_labels: z
      .array(z.array(polarity))
      .exactOptional()
      .describe("One per click: 1 on the object, 0 off it"),
    boxes: z
      .array(boxXyxy)
      .min(1)
      .max(FIELD_LIMITS.promptsPerPrediction.value)
      .exactOptional()
      .describe(
        "One per prompt: the corners `[x0, y0, x1, y1]`, as in SAM's predictor, not width and height",
      ),
    mask_input: lowResMask
      .exactOptional()
      .describe(
        "An entry of an earlier answer's `low_res_masks` to refine; applies to every prompt of the request",
      ),
    multimask_output: z
      .boolean()
      .default(true)
      .describe(
        "True: three masks per prompt, because a click is ambiguous between part and whole. False: one",
      ),
    return_low_res_masks: z.boolean().default(true).describe("False: omit `low_res_masks` from the answer"),
    rel_coordinates: z
      .boolean()
      .default(true)
      .describe("True: coordinates are 0 to 1 of the frame. False: pixels of the source"),
  })
  .superRefine((fields, context) => {
    const problem = predictProblem(fields);
    if (problem) {
      const { path, message, missing } = problem;
      context.addIssue({ code: "custom", path, message, params: { missing } });
    }
  });

const propagateInVideo = z.strictObject({
  type: z.literal("propagate_in_video"),
  session_id: sessionId,
  propagation_direction: z
    .enum(["both", "forward", "backward"])
    .default("both")
    .describe("`both`: forward, then backward"),
  start_frame_index: frameIndex.exactOptional().describe("Default: see [below](#default-start-frame)"),
  max_frame_num_to_track: z
    .int()
    .min(0)
    .exactOptional()
    .describe("Distance in frames from the start frame; default: to the end of the video"),
  scope: z
    .enum(["all", "affected", "stored"])
    .default("all")
    .describe(
      "`all`: every frame of the range. `affected`: the frames that edits made stale; the fields of the range have no effect. `stored`: the stored results of the range, without computing",
    ),
  obj_ids: z
    .array(objectId)
    .min(1)
    .max(FIELD_LIMITS.objectsPerPropagation.value)
    .exactOptional()
    .describe(
      "Compute only these objects, or read only them, see [only some objects](#only-some-objects); default: all objects, with new ones",
    ),
  output_prob_thresh: probability.default(0.5).describe("Omit objects below this probability"),
  ...maskFormatFields,
  window: z
    .int()
    .min(1)
    .max(FIELD_LIMITS.framesPerWindow.value)
    .exactOptional()
    .describe(
      "Frames that may be sent without an `ack`; default: no limit, see [flow control](#flow-control)",
    ),
});

const cancelPropagation = z.strictObject({
  type: z.literal("cancel_propagation"),
  session_id: sessionId,
});

const removeObject = z.strictObject({
  type: z.literal("remove_object"),
  session_id: sessionId,
  obj_id: objectId.describe("The id is not used again before `reset_session`"),
  is_user_action: z.boolean().default(true).describe("Accepted for compatibility with SAM 3; no effect"),
  frame_index: frameIndex
    .default(0)
    .describe("The frame whose stored result the answer contains. The object is removed from every frame"),
});

const resetSession = z.strictObject({ type: z.literal("reset_session"), session_id: sessionId });

const closeSession = z.strictObject({
  type: z.literal("close_session"),
  session_id: sessionId,
  run_gc_collect: z.boolean().default(true).describe("Accepted for compatibility with SAM 3.1; no effect"),
  clear_cache_threshold: z
    .number()
    .default(80)
    .describe("Accepted for compatibility with SAM 3.1; no effect"),
});

const getSession = z.strictObject({ type: z.literal("get_session"), session_id: sessionId });

export const REQUEST_SCHEMAS = {
  start_session: startSession,
  add_prompt: addPrompt,
  predict,
  propagate_in_video: propagateInVideo,
  cancel_propagation: cancelPropagation,
  remove_object: removeObject,
  reset_session: resetSession,
  close_session: closeSession,
  get_session: getSession,
  list_suspects: listSuspects,
  undo,
  redo,
  save_session: saveSession,
  load_session: loadSession,
  attach_session: attachSession,
  detach_session: detachSession,
  authenticate,
  get_server: getServer,
  ...EDIT_SCHEMAS,
} as const;

/**
 * A one-way message for the flow control of a stream with a `window`. It has no answer. An invalid `ack` gets an `error` with
 * `request_id` null, because an error with the stream's id would end the stream.
 */
export const ackSchema = z.strictObject({
  type: z.literal("ack"),
  request_id: requestId.describe("The `request_id` of the stream's `propagate_in_video`"),
  num_frames: z
    .int()
    .min(0)
    .describe("Frames of the stream that the client has received since its start: a total, not a difference"),
});

export type AckMessage = z.output<typeof ackSchema>;

export type RequestType = keyof typeof REQUEST_SCHEMAS;

/** A validated request, defaults filled in. */
export type RequestOf<T extends RequestType> = z.output<(typeof REQUEST_SCHEMAS)[T]>;
export type Request = { [T in RequestType]: RequestOf<T> }[RequestType];

/** A request as a caller writes it: fields with a default are optional. */
export type RequestInputOf<T extends RequestType> = z.input<(typeof REQUEST_SCHEMAS)[T]>;
export type RequestInput = { [T in RequestType]: RequestInputOf<T> }[RequestType];

/** A request with exactly one answer: every one but `propagate_in_video`. */
export type SingleRequest = Exclude<Request, { type: "propagate_in_video" }>;
export type StreamRequest = RequestOf<"propagate_in_video">;

export type EditRequest = RequestOf<EditType>;

/** A request whose `latest` frame is replaced by its index. */
type OnFrame<T extends { frame_index: number | "latest" }> = Omit<T, "frame_index"> & { frame_index: number };

export type AddPromptRequest = OnFrame<RequestOf<"add_prompt">>;
export type PredictRequest = OnFrame<RequestOf<"predict">>;

/** True for a prompt on one object (points, a mask, or a box with `obj_id`); false for a concept prompt. */
export function isObjectPrompt(request: Pick<AddPromptRequest, "points" | "obj_id" | "mask">): boolean {
  return request.points !== undefined || request.obj_id !== undefined || request.mask !== undefined;
}
