/**
 * Sessions whose pictures CVAT sends one by one. CVAT never ends them: they end after a time without use, like all sessions, and the one
 * that was used least recently ends in favour of a new one.
 */
import { ProtocolError } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Client, Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
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
  /** Of the sessions of this adapter: a number that is higher the later a session was used. */
  const uses = new WeakMap<HostedSession, number>();
  /** Sessions that are being opened. */
  const opening = new WeakSet<HostedSession>();
  let useCount = 0;

  const use = (hosted: HostedSession) => void uses.set(hosted, useCount++);

  /** The open sessions of an owner, the least recently used one first. */
  const openOnes = (owner: OwnerId) =>
    sessions
      .of(owner)
      .filter((hosted) => uses.has(hosted) && !hosted.hasEnded)
      .sort((a, b) => (uses.get(a) ?? 0) - (uses.get(b) ?? 0));

  /** Ends the idle session that was used least recently. Returns false when there is none. */
  async function endOne(owner: OwnerId): Promise<boolean> {
    const oldest = openOnes(owner).find((hosted) => !hosted.isBusy && !opening.has(hosted));
    if (!oldest) return false;
    uses.delete(oldest);
    await oldest.close();
    return true;
  }

  async function start({ client, owner, signal }: SessionOpening): Promise<HostedSession> {
    while (openOnes(owner).length >= MAX_OPEN && (await endOne(owner)));
    const request = { type: "start_session", live: true, mask_format: "rle" } as const;
    const { session_id } = await ask(client, request, signal).catch(async (error) => {
      const isFull = error instanceof ProtocolError && error.code === "session_limit";
      if (!isFull || !(await endOne(owner))) throw error;
      return ask(client, request, signal);
    });
    const hosted = sessions.find(owner, session_id);
    if (!hosted) throw sessions.refusal(session_id);
    use(hosted);
    return hosted;
  }

  return {
    /**
     * Starts a session with its first picture, and works with it. After a failure, and when the sender leaves before it has the
     * whole answer, the session ends.
     * @throws ProtocolError session_limit, media_unreadable
     */
    async open<T>(parts: SessionOpening, work: (session: PushedSession) => Promise<T>): Promise<T> {
      const { client, picture, signal } = parts;
      const hosted = await start(parts);
      opening.add(hosted);
      try {
        await push(client, hosted.id, picture);
        const { width, height } = await ask(client, { type: "get_session", session_id: hosted.id });
        const result = await work({ hosted, id: hosted.id, size: [width, height] });
        endIfSenderLeaves(client, hosted.id, signal);
        return result;
      } catch (error) {
        await hosted.close();
        throw error;
      } finally {
        opening.delete(hosted);
      }
    },
    /** An open session of an owner, which counts as its use. */
    find(owner: OwnerId, id: string): HostedSession | undefined {
      const hosted = openOnes(owner).find((one) => one.id === id);
      if (hosted) use(hosted);
      return hosted;
    },
    of: openOnes,
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
