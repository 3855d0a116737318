/**
 * The tasks that annotators work on: one session each, and what must outlive the session to continue after it has ended. The number of
 * both is bounded.
 */
import { ProtocolError, type VideoFacts } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Client, Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import { type PicturePart, writePictureForm } from "../picture-form.js";
import { ask } from "../requests.js";
import type { MediaFetcher } from "./fetch-media.js";
import type { Keyframe } from "./schemas.js";

/** Tasks whose prompts are remembered. */
const MAX_TASKS = 256;
/** Open sessions of one owner; the one that was used least recently ends in favour of another task. */
const MAX_OPEN_SESSIONS = 4;

/** x, y of the top left corner, width, height; 0 to 1 of the frame. */
export type RelativeBox = [x: number, y: number, width: number, height: number];

export type Prompt =
  | { kind: "box"; frame: number; box: RelativeBox }
  | { kind: "clicks"; frame: number; points: [number, number][]; labels: (0 | 1)[]; box?: RelativeBox }
  | { kind: "absent"; first: number; last: number };

/** An object of a task. */
export interface TaskObject {
  id: number;
  label: string;
  prompts: Prompt[];
  /** Of a video region: the keyframes of the last answer. */
  sent: Keyframe[];
  /** Ids of the regions of Label Studio that prompt this object. */
  regionIds: Set<string>;
}

export interface TaskState {
  readonly owner: OwnerId;
  readonly addresses: readonly unknown[];
  readonly objects: Map<number, TaskObject>;
  /** The phrases that were searched for, with the label of their objects. */
  readonly phrases: Map<string, string>;
  nextObjectId: number;
  session?: HostedSession;
  /** Runs after the requests for this task that came before. */
  inOrder<T>(work: () => Promise<T>): Promise<T>;
}

export interface OpenTask {
  client: Client;
  sessionId: string;
  facts: Pick<VideoFacts, "kind" | "width" | "height" | "num_frames">;
  /** Of the frames, in microseconds; empty for pictures. */
  timesUs: readonly number[];
}

export interface TasksParts {
  predictor: Predictor;
  media: MediaFetcher;
}

/** Ids of objects that the adapter chooses. Those of detected objects count from 0. */
const FIRST_OBJECT_ID = 1_000_000;

export function createTasks({ predictor, media }: TasksParts) {
  const { sessions, uploads } = predictor;
  /** The least recently used task first. */
  const tasks = new Map<string, TaskState>();

  function find(owner: OwnerId, taskKey: string, addresses: readonly unknown[]): TaskState {
    const key = JSON.stringify([owner, taskKey, addresses]);
    const known = tasks.get(key) ?? createTask(owner, addresses);
    tasks.delete(key);
    tasks.set(key, known);
    for (const [oldest, state] of tasks) {
      if (tasks.size <= MAX_TASKS) break;
      tasks.delete(oldest);
      void state.session?.close();
    }
    return known;
  }

  /** Ends the session that was used least recently, among those that are idle. Returns false when there is none. */
  async function endOne(owner: OwnerId): Promise<boolean> {
    for (const { session } of tasks.values()) {
      if (session?.owner !== owner || session.hasEnded || session.isBusy) continue;
      await session.close();
      return true;
    }
    return false;
  }

  const openCount = (owner: OwnerId) =>
    [...tasks.values()].filter(({ session }) => session?.owner === owner && !session.hasEnded).length;

  async function receive(state: TaskState, isList: boolean, signal: AbortSignal): Promise<string> {
    const { owner, addresses } = state;
    if (!isList) {
      const { body, contentLength } = await media.fetch(addresses[0], signal);
      return (await uploads.receive(body, { owner, signal, contentLength })).uploadId;
    }
    const form = writePictureForm(readAll(addresses, signal));
    const upload = await uploads.receive(form.body, { owner, signal, contentType: form.contentType });
    const [left] = upload.leftOut?.files ?? [];
    if (!left && upload.facts.numFrames === addresses.length) return upload.uploadId;
    await uploads.remove(upload.uploadId, owner);
    const seen = left ? `"${left.name}" is ${left.reason}` : `${upload.facts.numFrames} frames arrived`;
    throw new ProtocolError("media_unsupported", `Expected ${addresses.length} pictures, but ${seen}.`);
  }

  async function* readAll(addresses: readonly unknown[], signal: AbortSignal): AsyncGenerator<PicturePart> {
    for (const address of addresses) {
      const { body } = await media.fetch(address, signal);
      yield { kind: "begin" };
      for await (const bytes of body) yield { kind: "bytes", bytes };
      yield { kind: "end" };
    }
  }

  async function startSession(
    state: TaskState,
    client: Client,
    isList: boolean,
    signal: AbortSignal,
  ): Promise<HostedSession> {
    const { owner } = state;
    while (openCount(owner) >= MAX_OPEN_SESSIONS && (await endOne(owner)));
    const uploadId = await receive(state, isList, signal);
    try {
      const request = { type: "start_session", upload_id: uploadId } as const;
      const started = await ask(client, request, signal).catch(async (error) => {
        const isFull = error instanceof ProtocolError && error.code === "session_limit";
        if (!isFull || !(await endOne(owner))) throw error;
        return ask(client, request, signal);
      });
      const hosted = sessions.find(owner, started.session_id);
      if (!hosted) throw sessions.refusal(started.session_id);
      return hosted;
    } finally {
      // The session keeps the files until it ends.
      await uploads.remove(uploadId, owner);
    }
  }

  return {
    find,
    /**
     * The session of a task; a new one when the earlier one has ended. `isNew`: it has no prompts yet.
     * @throws ProtocolError when the media cannot be fetched or opened
     */
    async open(
      state: TaskState,
      isList: boolean,
      signal: AbortSignal,
    ): Promise<OpenTask & { isNew: boolean }> {
      const client = predictor.connect({ owner: state.owner });
      const isNew = !state.session || state.session.hasEnded;
      const hosted = isNew
        ? await startSession(state, client, isList, signal)
        : (state.session as HostedSession);
      state.session = hosted;
      const { facts, media: source } = await hosted.use();
      const isTimed = facts.kind === "video";
      const timesUs = isTimed
        ? Array.from({ length: facts.num_frames }, (_, at) => source.timeOf(at) ?? 0)
        : [];
      return { client, sessionId: hosted.id, facts, timesUs, isNew };
    },
  };
}

export type Tasks = ReturnType<typeof createTasks>;

function createTask(owner: OwnerId, addresses: readonly unknown[]): TaskState {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    owner,
    addresses,
    objects: new Map(),
    phrases: new Map(),
    nextObjectId: FIRST_OBJECT_ID,
    inOrder(work) {
      const result = tail.then(work);
      tail = result.catch(() => undefined);
      return result;
    },
  };
}

export function addObject(state: TaskState, label: string, id = state.nextObjectId++): TaskObject {
  const object: TaskObject = { id, label, prompts: [], sent: [], regionIds: new Set() };
  state.objects.set(id, object);
  return object;
}
