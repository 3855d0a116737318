/** The messages of a server. Clients must ignore unknown fields: new ones may be added within `masklet.v1`. */
import { z } from "zod";
import { ERRORS, type ErrorBody, type ErrorCode } from "./errors.js";
import {
  boxXywh,
  cocoRle,
  filename,
  frameIndex,
  lowResMask,
  objectId,
  probability,
  requestId,
  seq,
  sessionId,
  sessionToken,
} from "./fields.js";
import { FIXED_LIMITS } from "./limits.js";
import { authenticatedFields } from "./replies/authenticate.js";
import { conceptFacts, EDIT_ANSWERS, objectFacts } from "./replies/edits.js";
import { attachedFields, lastingEvents, serverFields } from "./replies/lasting.js";
import { loadedFields, savedFields } from "./replies/saving.js";
import { objectState, suspectFields } from "./replies/states.js";
import { affected, undoFields } from "./replies/undo.js";
import type { RequestType } from "./requests.js";

/** Masks of one frame: parallel arrays with one entry per object, ids ascending, without empty masks. */
export const outputsSchema = z
  .strictObject({
    out_obj_ids: z.array(objectId),
    out_probs: z.array(probability),
    out_boxes_xywh: z
      .array(boxXywh)
      .describe("Tight box of the mask, 0 to 1 of the frame; right and bottom edges exclusive"),
    out_binary_masks: z
      .array(cocoRle)
      .exactOptional()
      .describe("Present with `mask_format` `rle`: masks at the size of the source video"),
    out_mask_bytes: z
      .array(z.int().min(0))
      .exactOptional()
      .describe("Present with `binary`: the length of each mask in the payload of the message"),
    out_polygons: z
      .array(z.array(z.array(z.number())))
      .exactOptional()
      .describe(
        "Present with `polygons`: for each mask its rings, `[x, y, x, y, …]` in pixels of the source",
      ),
    out_mask_size: z
      .tuple([z.int().min(1), z.int().min(1)])
      .exactOptional()
      .describe("Present with `polygons`, unless there is no mask: height, width of the source"),
    out_png_masks: z
      .array(z.base64())
      .exactOptional()
      .describe("Present with `png`: for each mask a PNG of 1 bit per pixel, as base64"),
    out_label_map: z
      .base64()
      .exactOptional()
      .describe(
        "Present with `label_map`, unless there is no mask: a greyscale PNG of 8 or 16 bits, as base64; the value of a pixel is 1 + the position of its object in `out_obj_ids`, or 0",
      ),
    unchanged_obj_ids: z
      .array(objectId)
      .exactOptional()
      .describe("Present with `changed_only`: objects that are omitted because their mask was sent before"),
    out_states: z
      .array(objectState)
      .describe("Every object that is neither hidden nor removed, also without a mask on this frame"),
    frame_stats: z
      .strictObject({
        num_obj_tracked: z.int().min(0),
        num_obj_dropped: z
          .int()
          .min(0)
          .describe("Detections that started no object because of the object limit"),
      })
      .nullable(),
  })
  .meta({ title: "outputs" });

const videoFacts = {
  session_id: sessionId,
  kind: z
    .enum(["video", "frames", "image", "live"])
    .describe(
      "`video`: also an animated picture. `frames`: several pictures, one per frame. `live`: a [live session](#live-sessions)",
    ),
  width: z
    .int()
    .min(0)
    .describe(
      "Pixels, as displayed: rotation and the aspect ratio of pixels are applied. 0 before the first frame of a live session",
    ),
  height: z.int().min(0),
  num_frames: z.int().min(0).describe("In live sessions: frames so far"),
  fps: z.number().positive().nullable().describe("Average; null for images"),
  start_time_us: z
    .int()
    .nullable()
    .describe("Time of the file's first picture or sound, on the clock of `timestamp_us`; null for images"),
  duration_s: z
    .number()
    .min(0)
    .nullable()
    .describe("End of the last frame, on the clock of `timestamp_us`; null for images"),
  left_out: z
    .array(z.strictObject({ name: z.string(), reason: z.string() }))
    .max(FIXED_LIMITS.leftOutListed.value)
    .exactOptional()
    .describe(
      "Present for `frames`: files that are not frames, in natural order, such as `notes.txt` with the reason `text`",
    ),
  left_out_count: z
    .int()
    .min(0)
    .exactOptional()
    .describe("Present for `frames`: how many files are left out; `left_out` lists the first of them"),
};

const damaged = z
  .literal(true)
  .exactOptional()
  .describe("Present when the picture of the frame is damaged; the nearest readable one stands in");

const success = { is_success: z.literal(true) };

/** Fields of each answer without `type` and `request_id`. They include those that SAM 3's `handle_request` returns. */
export const ANSWER_FIELDS = {
  start_session: { ...videoFacts, session_token: sessionToken.describe("A secret for `attach_session`") },
  add_prompt: {
    frame_index: frameIndex.describe("The requested frame"),
    damaged,
    obj_id: objectId.exactOptional().describe("The prompted object; absent for concept prompts"),
    outputs: outputsSchema,
    affected,
    vocabulary_coverage: z
      .number()
      .min(0)
      .max(1)
      .exactOptional()
      .describe("Present for phrases: the share of their words that the model pack knows"),
    unknown_words: z
      .array(z.string())
      .exactOptional()
      .describe(
        "Present for phrases: the words that the model pack does not know, and those after the last word that it reads; empty for packs that divide words into pieces",
      ),
    semantic_map: z
      .strictObject({
        logits: lowResMask,
        mask: cocoRle.describe("The pixels with logits above 0, at the size of the source"),
      })
      .exactOptional()
      .describe("Present with `semantic_map: true`"),
  },
  predict: {
    frame_index: frameIndex.describe("The requested frame"),
    damaged,
    masks: z
      .array(z.array(cocoRle))
      .describe("Per prompt three masks, or one without `multimask_output`, at the size of the source"),
    iou_predictions: z
      .array(z.array(z.number()))
      .describe("The model's estimate of the IoU of each mask with the intended one, about 0 to 1"),
    low_res_masks: z
      .array(z.array(lowResMask))
      .exactOptional()
      .describe("The logits of each mask; each is a valid `mask_input`"),
  },
  cancel_propagation: success,
  remove_object: {
    ...success,
    affected,
    frame_index: frameIndex.describe("The requested frame"),
    outputs: outputsSchema.describe("The stored result of that frame; without objects when there is none"),
  },
  reset_session: success,
  close_session: success,
  list_suspects: suspectFields,
  get_session: {
    ...videoFacts,
    concepts: z
      .array(z.string())
      .describe("Prompted phrases; `visual` stands for exemplars without a phrase"),
    negative_concepts: z.array(z.string()).describe("Phrases with `text_label` 0"),
    concept_names: z.array(conceptFacts).describe("Names of concepts, from `rename`"),
    obj_ids: z.array(objectId).describe("Current objects, ascending"),
    objects: z.array(objectFacts).describe("What is known about each object, by ascending id"),
    propagating: z.boolean(),
    num_stored_frames: z.int().min(0).describe("Frames whose results are stored"),
    stale_frames: affected.describe(
      "Frames that the scope `affected` would compute: those that edits made stale, and those that were never computed",
    ),
    can_undo: z.boolean(),
    can_redo: z.boolean(),
    pack: z.strictObject({ id: z.string(), family: z.string(), version: z.string() }),
  },
  undo: undoFields,
  redo: undoFields,
  save_session: savedFields,
  load_session: {
    ...videoFacts,
    session_token: sessionToken.describe("A secret for `attach_session`"),
    ...loadedFields,
  },
  attach_session: { ...videoFacts, ...attachedFields },
  detach_session: success,
  authenticate: authenticatedFields,
  get_server: serverFields,
  ...EDIT_ANSWERS,
} as const satisfies Partial<Record<RequestType, z.ZodRawShape>>;

export type AnsweredType = keyof typeof ANSWER_FIELDS;

/** Watchers receive the answers to requests of other connections with a null `request_id`. */
const answered = requestId.nullable();

/** Fields of every message that is a result of a session, see PROTOCOL.md. Other answers have no `seq`. */
const numbered = { session_id: sessionId.exactOptional(), seq: seq.exactOptional() };

function answerSchema<T extends z.ZodRawShape>(fields: T) {
  return z.strictObject({ type: z.literal("response"), request_id: answered, ...numbered, ...fields });
}

export const ANSWER_SCHEMAS = {
  start_session: answerSchema(ANSWER_FIELDS.start_session),
  add_prompt: answerSchema(ANSWER_FIELDS.add_prompt),
  predict: answerSchema(ANSWER_FIELDS.predict),
  cancel_propagation: answerSchema(ANSWER_FIELDS.cancel_propagation),
  remove_object: answerSchema(ANSWER_FIELDS.remove_object),
  reset_session: answerSchema(ANSWER_FIELDS.reset_session),
  close_session: answerSchema(ANSWER_FIELDS.close_session),
  get_session: answerSchema(ANSWER_FIELDS.get_session),
  list_suspects: answerSchema(ANSWER_FIELDS.list_suspects),
  undo: answerSchema(ANSWER_FIELDS.undo),
  redo: answerSchema(ANSWER_FIELDS.redo),
  save_session: answerSchema(ANSWER_FIELDS.save_session),
  load_session: answerSchema(ANSWER_FIELDS.load_session),
  attach_session: answerSchema(ANSWER_FIELDS.attach_session),
  detach_session: answerSchema(ANSWER_FIELDS.detach_session),
  authenticate: answerSchema(ANSWER_FIELDS.authenticate),
  get_server: answerSchema(ANSWER_FIELDS.get_server),
  lock_frames: answerSchema(ANSWER_FIELDS.lock_frames),
  mark_absent: answerSchema(ANSWER_FIELDS.mark_absent),
  merge_objects: answerSchema(ANSWER_FIELDS.merge_objects),
  split_object: answerSchema(ANSWER_FIELDS.split_object),
  swap_objects: answerSchema(ANSWER_FIELDS.swap_objects),
  rename: answerSchema(ANSWER_FIELDS.rename),
  remove_concept: answerSchema(ANSWER_FIELDS.remove_concept),
} as const satisfies Record<AnsweredType, z.ZodType>;

export const frameSchema = z.strictObject({
  type: z.literal("frame"),
  request_id: answered,
  session_id: sessionId,
  seq: numbered.seq,
  frame_index: frameIndex.describe("Position in display order, from 0"),
  timestamp_us: z
    .int()
    .nullable()
    .describe("Presentation time in microseconds on the clock of `currentTime` in browsers; null for images"),
  damaged,
  outputs: outputsSchema,
});

export const frameDroppedSchema = z.strictObject({
  type: z.literal("frame_dropped"),
  request_id: answered,
  session_id: sessionId,
  seq: numbered.seq,
  frame_index: frameIndex.describe("The number of the frame; it is not tracked, and prompts can name it"),
});

export const doneSchema = z.strictObject({
  type: z.literal("done"),
  request_id: answered,
  session_id: sessionId,
  seq: numbered.seq,
  num_frames: z.int().min(0).describe("Frames sent in this stream"),
  cancelled: z.boolean(),
});

const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

const errorBody = z.strictObject({
  code: errorCode.meta({ title: "error-codes" }),
  message: z.string(),
  field: z.string().exactOptional(),
  retryable: z.boolean(),
  retry_after_ms: z
    .int()
    .min(0)
    .exactOptional()
    .describe("When the same request may succeed, in milliseconds from now; an estimate"),
  limit: z
    .string()
    .exactOptional()
    .describe("The share or limit that was exceeded, by its name in [Limits](#limits)"),
  saved_id: z
    .string()
    .exactOptional()
    .describe("With `session_saved`: the saved session, for `load_session`"),
}) satisfies z.ZodType<ErrorBody>;

export const errorSchema = z.strictObject({
  type: z.literal("error"),
  request_id: requestId
    .nullable()
    .describe("Null when the message had no readable one, for `ack`, and for watchers"),
  ...numbered,
  error: errorBody,
});

export const eventSchemas = {
  session_opening: z.strictObject({
    type: z.literal("event"),
    seq: numbered.seq,
    event: z.literal("session_opening"),
    request_id: answered.describe("That of the `start_session`; null for watchers"),
    session_id: sessionId.describe("Its future id; requests that name it wait until it is open"),
    stage: z
      .enum(["index", "decode"])
      .describe("`index`: the file is read; `decode`: all its pictures are decoded once"),
    fraction: z.number().min(0).max(1).describe("How much of the stage is done"),
  }),
  session_expiring: z.strictObject({
    type: z.literal("event"),
    seq: numbered.seq,
    event: z.literal("session_expiring"),
    session_id: sessionId,
    expires_in_ms: z.int().min(0).describe("Time left, unless a request names the session before"),
  }),
  session_expired: z.strictObject({
    type: z.literal("event"),
    seq: numbered.seq,
    event: z.literal("session_expired"),
    session_id: sessionId,
  }),
  session_recovered: z.strictObject({
    type: z.literal("event"),
    seq: numbered.seq,
    event: z.literal("session_recovered"),
    session_id: sessionId,
  }),
  session_lost: z.strictObject({
    type: z.literal("event"),
    seq: numbered.seq,
    event: z.literal("session_lost"),
    session_id: sessionId,
    error: errorBody,
  }),
  ...lastingEvents,
} as const;

/** Query of `POST /v1/uploads`. */
export const uploadQuerySchema = z.strictObject({
  filename: filename
    .exactOptional()
    .describe("Name for display, returned in the answer; the content determines the format"),
});

/** The body of the answer to `POST /v1/uploads`. */
export const uploadSchema = z.strictObject({
  upload_id: z.string().describe("For `start_session`"),
  filename: filename.nullable().describe("As the upload named it; null when it had no name"),
  kind: videoFacts.kind,
  width: videoFacts.width,
  height: videoFacts.height,
  num_frames: videoFacts.num_frames,
  fps: videoFacts.fps,
  codec: z.string().describe("Name of the codec, such as `h264` or `jpeg`"),
  start_time_us: videoFacts.start_time_us,
  duration_s: videoFacts.duration_s,
  taken: z
    .array(z.string())
    .max(FIXED_LIMITS.leftOutListed.value)
    .exactOptional()
    .describe(
      "Present for archives and forms: names of the files that are kept, in frame order; the first of `num_frames`",
    ),
  left_out: videoFacts.left_out.describe(
    "Present for archives, forms and `frames`: the other files, in natural order, with a reason such as `text`",
  ),
  left_out_count: videoFacts.left_out_count.describe("Present with `left_out`: how many files are left out"),
  bytes: z.int().min(0).describe("As received, before an archive is unpacked"),
});

/** Any message of a server, without unknown fields. For tests: clients must accept unknown fields. */
export const serverMessageSchema = z.union([
  frameSchema,
  frameDroppedSchema,
  doneSchema,
  errorSchema,
  ...Object.values(eventSchemas),
  ...Object.values(ANSWER_SCHEMAS),
]);

/** Outputs outside a message. On the wire, `out_mask_bytes` and the payload replace `out_packed_masks`. */
export type Outputs = Omit<z.infer<typeof outputsSchema>, "out_mask_bytes"> & {
  out_packed_masks?: Uint8Array[];
};
/** Fields of the answer to a request, without the envelope. */
export type AnswerOf<T extends AnsweredType> = WithOutputs<z.infer<z.ZodObject<(typeof ANSWER_FIELDS)[T]>>>;
/** The message with its outputs as programs use them. */
type WithOutputs<M> = M extends { outputs: unknown } ? Omit<M, "outputs"> & { outputs: Outputs } : M;
export type VideoFacts = z.infer<z.ZodObject<typeof videoFacts>>;
export type SessionFacts = AnswerOf<"get_session">;
export type UploadFacts = z.infer<typeof uploadSchema>;
export type ResponseMessage = {
  [T in AnsweredType]: z.infer<(typeof ANSWER_SCHEMAS)[T]>;
}[AnsweredType];
export type FrameMessage = WithOutputs<z.infer<typeof frameSchema>>;
export type FrameDroppedMessage = z.infer<typeof frameDroppedSchema>;
export type DoneMessage = z.infer<typeof doneSchema>;
export type ErrorMessage = z.infer<typeof errorSchema>;
export type EventMessage = z.infer<(typeof eventSchemas)[keyof typeof eventSchemas]>;
export type ServerMessage =
  | ResponseMessage
  | FrameMessage
  | FrameDroppedMessage
  | DoneMessage
  | ErrorMessage
  | EventMessage;
