/** Masks for points and a box. A picture stays open for further points. */
import { ProtocolError } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Convert } from "../conversion-thread.js";
import { clippedRectangle, requireInside, type Size } from "../pixels.js";
import { ask } from "../requests.js";
import type { Conversions } from "./conversions.js";
import type { PushedSession, PushedSessions, SessionOpening } from "./pushed-sessions.js";
import type { RequestFields } from "./schemas.js";

interface OpenPicture {
  hash: string;
  size: Size;
}

export interface InteractorParts {
  sessions: PushedSessions;
  convert: Convert<Conversions>;
}

export function createInteractor({ sessions, convert }: InteractorParts) {
  const pictures = new WeakMap<HostedSession, OpenPicture>();

  async function predict(
    { client, signal }: SessionOpening,
    { id, size }: Pick<PushedSession, "id" | "size">,
    { pos_points, neg_points, obj_bbox }: RequestFields<"interactor">,
  ): Promise<string> {
    const [positive, negative] = [pos_points ?? [], neg_points ?? []];
    const points = [...positive, ...negative];
    const [corner, opposite] = obj_bbox ?? [];
    if (positive.length === 0 && !corner) {
      const message = "pos_points: expected a positive point or a box (obj_bbox), got neither.";
      throw new ProtocolError("invalid_field", message, "pos_points");
    }
    for (const [field, points] of Object.entries({ pos_points: positive, neg_points: negative }))
      for (const [index, point] of points.entries()) requireInside(point, size, `${field}[${index}]`);
    const answer = await ask(
      client,
      {
        type: "predict",
        ...{ session_id: id, frame_index: "latest", rel_coordinates: false },
        ...{ multimask_output: false, return_low_res_masks: false },
        ...(points.length > 0 && {
          point_coords: [points],
          point_labels: [[...positive.map(() => 1 as const), ...negative.map(() => 0 as const)]],
        }),
        ...(corner && opposite && { boxes: [clippedRectangle([...corner, ...opposite], size, "obj_bbox")] }),
      },
      signal,
    );
    const mask = answer.masks[0]?.[0];
    if (!mask) throw new Error("the prediction has no mask");
    return convert("rows", mask);
  }

  return {
    /**
     * Returns the JSON of the mask: its rows, which every version of CVAT accepts.
     * @throws ProtocolError invalid_field, and the errors of `predict` and `push_frame`
     */
    async detect(opening: SessionOpening, fields: RequestFields<"interactor">): Promise<string> {
      const { owner, picture } = opening;
      const known = sessions.of(owner).find((hosted) => pictures.get(hosted)?.hash === picture.hash);
      const hosted = known && sessions.find(owner, known.id);
      const size = hosted && pictures.get(hosted)?.size;
      if (hosted && size) {
        try {
          return await predict(opening, { id: hosted.id, size }, fields);
        } catch (error) {
          if (!(error instanceof ProtocolError) || error.code !== "session_not_found") throw error;
        }
      }
      return sessions.open(opening, async (session) => {
        const rows = await predict(opening, session, fields);
        pictures.set(session.hosted, { hash: picture.hash, size: session.size });
        return rows;
      });
    },
  };
}
