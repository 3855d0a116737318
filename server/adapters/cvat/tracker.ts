/**
 * Tracks. All shapes that start together on a picture are objects of one session, so that each picture is encoded once for all of them.
 * A state names a session and an object.
 */
import { type CocoRle, ProtocolError } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Client } from "../../predictor.js";
import { createSerial } from "../../serial.js";
import type { OwnerId } from "../../session-owner.js";
import type { Convert } from "../conversion-thread.js";
import { withFieldNames } from "../field-names.js";
import { clippedRectangle, type Size } from "../pixels.js";
import { ask } from "../requests.js";
import type { Conversions } from "./conversions.js";
import { type PushedSessions, push, type SessionOpening } from "./pushed-sessions.js";
import type { Picture } from "./read-request.js";
import type { GivenShape, RequestFields, ShapeType } from "./schemas.js";

interface TrackedSession {
  /** Of the shapes, in the order of the objects, whose ids count from 0. */
  types: readonly TrackType[];
  /** Of the newest picture on which the objects were tracked; undefined before the first one. */
  hash?: string;
  /** On the newest picture, by the id of the object. */
  masks: Map<number, CocoRle>;
  /** Runs after the requests for this session that came before. */
  inOrder<T>(work: () => Promise<T>): Promise<T>;
}

interface TrackType {
  type: ShapeType;
  /** CVAT before 2.32 sends and expects the points of rectangles alone. */
  isBare: boolean;
}

interface Answer {
  shapes: (GivenShape | null)[];
  states: string[];
}

export interface TrackerParts {
  sessions: PushedSessions;
  convert: Convert<Conversions>;
}

export function createTracker({ sessions, convert }: TrackerParts) {
  const tracked = new WeakMap<HostedSession, TrackedSession>();

  async function start(opening: SessionOpening, given: readonly GivenShape[]): Promise<Answer> {
    const shapes = given.map((shape, at) => typedShape(shape, `shapes[${at}]`));
    const state: TrackedSession = {
      types: shapes.map(({ type, isBare }) => ({ type, isBare })),
      ...{ masks: new Map(), inOrder: createSerial().run },
    };
    return sessions.open(opening, async ({ hosted, id, size }) => {
      for (const [objectId, { type, points }] of shapes.entries()) {
        const field = `shapes[${objectId}]`;
        const prompt = await promptOf(type, points, size, field);
        await ask(opening.client, {
          type: "add_prompt",
          ...{ session_id: id, frame_index: "latest", obj_id: objectId },
          ...{ ...prompt, rel_coordinates: false, mask_format: "none" },
        }).catch((error) => {
          throw withFieldNames(error, namesOf(field));
        });
      }
      tracked.set(hosted, state);
      return { shapes: [...given], states: shapes.map((_, objectId) => `${id}/${objectId}`) };
    });
  }

  async function promptOf(type: ShapeType, points: readonly number[], size: Size, field: string) {
    if (type === "mask") {
      const { size: rleSize, counts } = await convert("readMask", points, size, `${field}.points`);
      return { mask: { rle: { size: rleSize, counts } } };
    }
    if (type === "polygon") return { mask: { polygons: [[...points]] } };
    const [left, top, right, bottom] = clippedRectangle(points, size, `${field}.points`);
    return { bounding_boxes: [[left, top, right - left, bottom - top] as [number, number, number, number]] };
  }

  async function proceed(
    client: Client,
    owner: OwnerId,
    states: readonly string[],
    picture: Picture,
  ): Promise<Answer> {
    const tracks = states.map((state) => {
      const [, sessionId = "", objectId = ""] = /^(.+)\/(\d+)$/.exec(state) ?? [];
      const hosted = sessions.find(owner, sessionId);
      const session = hosted && tracked.get(hosted);
      const track = session?.types[Number(objectId)];
      if (!session || !track) throw ended();
      return { sessionId, session, objectId: Number(objectId), ...track };
    });
    for (const [sessionId, { session }] of new Map(tracks.map((track) => [track.sessionId, track])))
      await session.inOrder(() => advance(client, sessionId, session, picture));
    const shapes = tracks.map(async ({ session, objectId, type, isBare }) => {
      const mask = session.masks.get(objectId);
      const points = mask ? await convert("points", mask, type) : null;
      return points && (isBare ? points : { type, points });
    });
    return { shapes: await Promise.all(shapes), states: [...states] };
  }

  return {
    /** @throws ProtocolError invalid_field, session_not_found, and the errors of `add_prompt` and `push_frame` */
    async track(opening: SessionOpening, { shapes, states }: RequestFields<"tracker">): Promise<Answer> {
      const { client, owner, picture } = opening;
      if (states && states.length > 0) return proceed(client, owner, states, picture);
      if (shapes && shapes.length > 0) return start(opening, shapes);
      const message = "shapes: expected shapes to start tracks, or states to continue them, got neither.";
      throw new ProtocolError("invalid_field", message, "shapes");
    },
  };
}

/** Tracks the objects of a session on a picture. A request that is repeated, or made for other objects, finds them there. */
async function advance(client: Client, id: string, session: TrackedSession, picture: Picture): Promise<void> {
  if (session.hash === picture.hash) return;
  const { out_obj_ids, out_binary_masks } = await push(client, id, picture).catch((error) => {
    throw error instanceof ProtocolError && error.code === "session_not_found" ? ended() : error;
  });
  session.hash = picture.hash;
  session.masks = new Map(
    out_obj_ids.flatMap((objectId, at) => {
      const mask = out_binary_masks?.[at];
      return mask ? [[objectId, mask] as const] : [];
    }),
  );
}

/** The fields of a prompt as CVAT names them. */
const namesOf = (field: string) => ({
  "mask.polygons[0]": `${field}.points`,
  mask: `${field}.points`,
  bounding_boxes: `${field}.points`,
});

const ended = () =>
  new ProtocolError(
    "session_not_found",
    "The session of this track has ended; start the track again on this frame.",
    "states",
  );

/** @throws ProtocolError invalid_field for no shape */
function typedShape(shape: GivenShape, field: string): TrackType & { points: readonly number[] } {
  if (shape === null) {
    throw new ProtocolError("invalid_field", `${field}: expected a shape to start a track, got null.`, field);
  }
  if (Array.isArray(shape)) return { type: "rectangle", points: shape, isBare: true };
  const { type, points } = shape;
  return { type, points, isBare: false };
}
