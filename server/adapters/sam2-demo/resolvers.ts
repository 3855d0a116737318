/** The operations of the page. Each is a function of its arguments and of the request that it belongs to. */
import { type AnswerOf, ProtocolError } from "../../../protocol/index.js";
import type { Client, Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import { ask } from "../requests.js";
import {
  addPoints,
  clearPointsInFrame,
  clearPointsInVideo,
  type PointsOfObject,
  removeObject,
} from "./edits.js";
import { maskListOnFrame } from "./masks.js";
import type { SessionStates } from "./session-states.js";
import { describeVideo, type Gallery, mediaNameOf, uploadPath, type Video } from "./videos.js";

/** An upload that came with an operation. A class, because a variable of JSON can have any fields. */
export class ReceivedFile {
  /** Set by the operation that has taken the upload; another upload is deleted. */
  isTaken = false;
  constructor(
    readonly uploadId: string,
    readonly facts: { kind: string; width: number; height: number },
  ) {}
}

/** One request of the page. */
export interface Operation {
  client: Client;
  owner: OwnerId;
  /** Address of the adapter, as the page reaches it. */
  base: string;
  /** Aborts when the page leaves. */
  signal: AbortSignal;
}

interface Input<T> {
  input: T;
}
type OfSession<T = unknown> = Input<{ sessionId: string } & T>;

export function createResolvers(
  { listMedia }: Pick<Predictor, "listMedia">,
  states: SessionStates,
  gallery: Gallery,
) {
  const success = { success: true };
  const stateOf = ({ owner }: Operation, { input }: OfSession) => states.get(owner, input.sessionId);

  return {
    async defaultVideo(_: object, { owner, base }: Operation): Promise<Video> {
      for await (const video of gallery.videos(owner, base)) return video;
      const { folder } = await listMedia();
      const place = folder === null ? "the media roots" : folder;
      const message = `There is no MP4 or MOV video in ${place}; start the server with --media-root FOLDER, or upload a video.`;
      throw new ProtocolError("resource_not_found", message);
    },

    async videos(_: object, { owner, base }: Operation) {
      const edges: { cursor: string; node: Video }[] = [];
      for await (const node of gallery.videos(owner, base))
        edges.push({ cursor: String(edges.length), node });
      const [startCursor = null, endCursor = startCursor] = [edges[0]?.cursor, edges.at(-1)?.cursor];
      // All videos are in one answer.
      return { edges, pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor, endCursor } };
    },

    uploadVideo({ file }: { file: unknown }, { base }: Operation): Video {
      if (!(file instanceof ReceivedFile)) {
        const message = "file: expected a file of a multipart request, got another value";
        throw new ProtocolError("invalid_field", message, "file");
      }
      if (file.facts.kind !== "video") {
        const message = `file: expected a video, got ${file.facts.kind === "image" ? "a picture" : "pictures"}`;
        throw new ProtocolError("media_unsupported", message, "file");
      }
      file.isTaken = true;
      return describeVideo(uploadPath(file.uploadId), file.facts, base);
    },

    async startSession({ input }: Input<{ path: string }>, { client, owner, signal }: Operation) {
      const media = mediaNameOf(input.path);
      const request = { type: "start_session", ...media } as const;
      const { started: facts, hosted } = await states.start(owner, () => ask(client, request, signal));
      const { session_id: sessionId } = facts;
      try {
        requireVideo(facts);
        signal.throwIfAborted();
      } catch (error) {
        await ask(client, { type: "close_session", session_id: sessionId });
        throw error;
      }
      states.add(hosted, facts);
      return { sessionId };
    },

    async closeSession({ input }: OfSession, { client }: Operation) {
      await ask(client, { type: "close_session", session_id: input.sessionId });
      return success;
    },

    async addPoints({ input }: OfSession<PointsOfObject>, operation: Operation) {
      const masks = await addPoints(operation.client, stateOf(operation, { input }), input);
      return maskListOnFrame(input.frameIndex, masks);
    },

    async clearPointsInFrame(
      { input }: OfSession<{ frameIndex: number; objectId: number }>,
      operation: Operation,
    ) {
      const masks = await clearPointsInFrame(operation.client, stateOf(operation, { input }), input);
      return maskListOnFrame(input.frameIndex, masks);
    },

    async clearPointsInVideo(given: OfSession, operation: Operation) {
      await clearPointsInVideo(operation.client, stateOf(operation, given));
      return success;
    },

    /** The masks of the other objects stay as they are, so that the list of changed frames is empty. */
    async removeObject(given: OfSession<{ objectId: number }>, operation: Operation) {
      await removeObject(operation.client, stateOf(operation, given), given.input.objectId);
      return [];
    },

    /** The page stops reading an answer without closing its connection, so the answer is ended here as well. */
    async cancelPropagateInVideo(given: OfSession, operation: Operation) {
      const state = stateOf(operation, given);
      const request = { type: "cancel_propagation", session_id: given.input.sessionId } as const;
      await Promise.all([ask(operation.client, request), state.propagation?.return()]);
      return success;
    },
  };
}

export type Resolvers = ReturnType<typeof createResolvers>;

function requireVideo({ kind }: AnswerOf<"start_session">): void {
  if (kind === "video") return;
  const message = `path: expected a video, got media of the kind ${kind}`;
  throw new ProtocolError("media_unsupported", message, "path");
}
