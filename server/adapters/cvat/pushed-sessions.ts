/**
 * Sessions whose pictures CVAT sends one by one. CVAT never ends them: they end after a time without use, like all sessions, and the one
 * that was used least recently ends in favour of a new one.
 */
import { ProtocolError } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Client, Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import { createOwnSessions } from "../own-sessions.js";
import type { Size } from "../pixels.js";
import { ask, endIfSenderLeaves } from "../requests.js";
import type { Picture } from "./read-request.js";

/** Sessions of one owner. All annotators of a CVAT are one owner. */
const MAX_OPEN = 6;

export interface SessionOpening {
  client: Client;
  owner: OwnerId;
  picture: Picture;
  /** Aborts when the sender leaves before the answer. */
  signal: AbortSignal;
}

export interface PushedSession {
  hosted: HostedSession;
  id: string;
  /** Of its pictures. */
  size: Size;
}

export function createPushedSessions(sessions: Predictor["sessions"]) {
  const own = createOwnSessions(sessions, MAX_OPEN);

  return {
    /**
     * Starts a session with its first picture, and works with it. After a failure, and when the sender leaves before it has the
     * whole answer, the session ends.
     * @throws ProtocolError session_limit, media_unreadable
     */
    async open<T>(parts: SessionOpening, work: (session: PushedSession) => Promise<T>): Promise<T> {
      const { client, owner, picture, signal } = parts;
      const request = { type: "start_session", live: true, mask_format: "rle" } as const;
      const { hosted } = await own.start(owner, () => ask(client, request, signal));
      return own.hold(hosted, async () => {
        try {
          await push(client, hosted.id, picture);
          const { width, height } = await ask(client, { type: "get_session", session_id: hosted.id });
          const result = await work({ hosted, id: hosted.id, size: [width, height] });
          endIfSenderLeaves(client, hosted.id, signal);
          return result;
        } catch (error) {
          await hosted.close();
          throw error;
        }
      });
    },
    find: own.find,
    of: own.of,
  };
}

export type PushedSessions = ReturnType<typeof createPushedSessions>;

/** Adds a picture to a session. Returns the objects on it. */
export async function push(client: Client, session_id: string, { bytes }: Picture) {
  const common = { type: "push_frame", request_id: "cvat", session_id } as const;
  const answer = await client.push({ ...common, output_prob_thresh: 0.5 }, bytes).catch((error) => {
    const isAboutThePicture = error instanceof ProtocolError && error.code.startsWith("media_");
    throw isAboutThePicture
      ? new ProtocolError(error.code, `image: ${error.message}`, "image", { cause: error })
      : error;
  });
  // Without `drop` the server reads more slowly and drops nothing.
  if (answer.type !== "frame") throw new Error("a live session has dropped a frame");
  return answer.outputs;
}
