/** Prompts on one picture. */
import type { CocoRle } from "../../../protocol/index.js";
import type { Client, Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import type { Convert } from "../conversion-thread.js";
import { clippedRectangle, requireInside, type Size } from "../pixels.js";
import { ask } from "../requests.js";
import type { Conversions } from "./conversions.js";
import { phrasesOf, requireFound } from "./phrases.js";
import type { Mark, PicturePrompt } from "./schemas.js";
import type { SessionStates } from "./session-states.js";
import { type OutlinedObject, outlinedObjects, type Shape, UNNAMED } from "./shapes.js";

export interface PicturePredictorParts {
  predictor: Pick<Predictor, "uploads">;
  states: SessionStates;
  convert: Convert<Conversions>;
}

export interface ReceivedPicture {
  uploadId: string;
  /** SHA-256 of the file. */
  hash: string;
}

interface OpenPicture {
  sessionId: string;
  size: Size;
}

export interface PictureAnswer {
  shapes: Shape[];
  /** False: the shapes are added to those of the window. Null: as the window is set. */
  replace: false | null;
}

export function createPicturePredictor({ predictor, states, convert }: PicturePredictorParts) {
  const { uploads } = predictor;

  /** The session of a picture that the owner has sent, from an earlier request when it is still open. */
  async function open(
    client: Client,
    owner: OwnerId,
    { uploadId, hash }: ReceivedPicture,
    signal: AbortSignal,
  ): Promise<OpenPicture> {
    try {
      const known = states.picture(owner, hash);
      if (known) return known;
      const request = { type: "start_session", upload_id: uploadId } as const;
      const { started, hosted } = await states.startPicture(owner, () => ask(client, request, signal));
      const size = [started.width, started.height] as const;
      states.add(hosted, { kind: "picture", hash, size });
      return { sessionId: hosted.id, size };
    } finally {
      // The session keeps the files until it ends.
      await uploads.remove(uploadId, owner);
    }
  }

  return {
    async predict(
      client: Client,
      owner: OwnerId,
      picture: ReceivedPicture,
      prompt: PicturePrompt,
      signal: AbortSignal,
    ): Promise<PictureAnswer> {
      const opened = await open(client, owner, picture, signal);
      const { marks = [], text_prompt: text = "", epsilon_factor: epsilonFactor } = prompt;
      const byMarks = marks.length > 0;
      if (!byMarks && text.trim() === "") return { shapes: [], replace: null };
      const objects = byMarks
        ? await predictMarks(client, opened, marks, signal)
        : await detectPhrases(client, opened.sessionId, text, prompt.conf_threshold);
      if (!byMarks) requireFound(objects, text, prompt.conf_threshold);
      const shapes = (await convert("shapes", objects, epsilonFactor)).flatMap((pieces, index) =>
        // Pieces of one object belong together.
        pieces.length > 1 ? pieces.map((piece) => ({ ...piece, group_id: index + 1 })) : pieces,
      );
      return { shapes, replace: byMarks ? false : null };
    },
  };
}

async function detectPhrases(
  client: Client,
  session_id: string,
  text: string,
  confidence: number,
): Promise<OutlinedObject[]> {
  const objects: OutlinedObject[] = [];
  for (const phrase of phrasesOf(text)) {
    const { outputs } = await ask(client, {
      type: "add_prompt",
      ...{ session_id, frame_index: 0, text: phrase, replace: true },
      output_prob_thresh: confidence,
    });
    objects.push(...outlinedObjects(outputs).map((object) => ({ ...object, groupId: null })));
  }
  return objects;
}

/** All points mark one object, together with the box when there is one. Each further box marks an object of its own. */
async function predictMarks(
  client: Client,
  { sessionId: session_id, size }: OpenPicture,
  marks: readonly Mark[],
  signal: AbortSignal,
): Promise<OutlinedObject[]> {
  const fieldOf = (index: number) => `params.marks[${index}].data`;
  for (const [index, mark] of marks.entries())
    if (mark.type === "point") requireInside(mark.data, size, fieldOf(index));
  const points = marks.filter((mark) => mark.type === "point");
  const boxes = marks.flatMap((mark, index) =>
    mark.type === "rectangle" && mark.label === 1 ? [clippedRectangle(mark.data, size, fieldOf(index))] : [],
  );
  const coords = points.map(({ data }) => data);
  const labels = points.map(({ label }) => label);
  const common = { session_id, rel_coordinates: false, multimask_output: false, return_low_res_masks: false };
  const masks: { mask: CocoRle; score: number }[] = [];
  const predict = async (prompts: object) => {
    const answer = await ask(client, { type: "predict", ...common, ...prompts }, signal);
    answer.masks.forEach(([mask], at) => {
      if (mask) masks.push({ mask, score: Math.min(1, Math.max(0, answer.iou_predictions[at]?.[0] ?? 0)) });
    });
  };
  const isOneObject = coords.length > 0 && boxes.length <= 1;
  if (coords.length > 0)
    await predict({
      point_coords: [coords],
      point_labels: [labels],
      ...(isOneObject && boxes.length > 0 && { boxes }),
    });
  if (boxes.length > 0 && !isOneObject) await predict({ boxes });
  return masks.map(({ mask, score }) => ({ label: UNNAMED, score, mask, groupId: null }));
}
