/**
 * The tasks that annotators work on: one session each, and what must outlive the session to continue after it has ended. The number and
 * the size of both are bounded.
 */
import { createHash } from "node:crypto";
import { ProtocolError, type VideoFacts } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Client, Predictor } from "../../predictor.js";
import { createSerial } from "../../serial.js";
import type { OwnerId } from "../../session-owner.js";
import { type PicturePart, writePictureForm } from "../picture-form.js";
import { ask } from "../requests.js";
import type { RelativeBox } from "./boxes.js";
import type { MediaFetcher } from "./fetch-media.js";
import type { Keyframe } from "./schemas.js";

/** Tasks whose prompts are remembered. */
const MAX_TASKS = 256;
/** Open sessions of one owner; the one that was used least recently ends in favour of another task. */
const MAX_OPEN_SESSIONS = 4;
/** The latest prompts of an object, and the latest of its regions. */
const MAX_PER_OBJECT = 256;

export type Prompt =
  | { kind: "box"; frame: number; box: RelativeBox }
  | { kind: "clicks"; frame: number; points: [number, number][]; labels: (0 | 1)[]; box?: RelativeBox }
  /** The object is gone on these frames, or it is no longer declared to be. */
  | { kind: "absent" | "present"; first: number; last: number };

export const isStretch = (prompt: Prompt): prompt is Extract<Prompt, { first: number }> => "first" in prompt;

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
  /** It has no prompts yet. */
  isNew: boolean;
}

/** What a session is opened with. */
export interface TaskMedia {
  addresses: readonly unknown[];
  /** True for a sequence of pictures. */
  isList: boolean;
  signal: AbortSignal;
}

export interface TasksParts {
  predictor: Predictor;
  media: MediaFetcher;
}

/** Ids of objects that the adapter chooses. Those of detected objects count from 0. */
const FIRST_OBJECT_ID = 1_000_000;

export function createTasks({ predictor, media: fetcher }: TasksParts) {
  const { sessions, uploads } = predictor;
  /** The least recently used task first. */
  const tasks = new Map<string, TaskState>();
  /** Owners of the sessions that are being opened, each with their number. */
  const opening = new Map<OwnerId, number>();
  /** Sessions that end in favour of another task. */
  const ending = new WeakSet<HostedSession>();

  function find(owner: OwnerId, taskKey: string, addresses: readonly unknown[]): TaskState {
    // A task can have thousands of addresses.
    const key = createHash("sha256")
      .update(JSON.stringify([owner, taskKey, addresses]))
      .digest("hex");
    const known = tasks.get(key) ?? createTask(owner);
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
      if (session?.owner !== owner || session.hasEnded || session.isBusy || ending.has(session)) continue;
      ending.add(session);
      await session.close();
      return true;
    }
    return false;
  }

  const isOpen = ({ session }: TaskState) => session && !session.hasEnded && !ending.has(session);

  const openCount = (owner: OwnerId) =>
    [...tasks.values()].filter((state) => state.owner === owner && isOpen(state)).length +
    (opening.get(owner) ?? 0);

  /** Opens a session for a task while it is counted. */
  async function openSession(state: TaskState, client: Client, source: TaskMedia): Promise<HostedSession> {
    const { owner } = state;
    while (openCount(owner) >= MAX_OPEN_SESSIONS && (await endOne(owner)));
    opening.set(owner, (opening.get(owner) ?? 0) + 1);
    try {
      state.session = await startSession(owner, client, source);
      return state.session;
    } finally {
      const left = (opening.get(owner) ?? 1) - 1;
      if (left > 0) opening.set(owner, left);
      else opening.delete(owner);
    }
  }

  async function receive(owner: OwnerId, { addresses, isList, signal }: TaskMedia): Promise<string> {
    if (!isList) {
      const { body, contentLength } = await fetcher.fetch(addresses[0], signal);
      return (await uploads.receive(body, { owner, signal, contentLength })).uploadId;
    }
    if (addresses.length === 0)
      throw new ProtocolError(
        "resource_not_found",
        "The task has no pictures: its list of pictures is empty.",
      );
    const form = writePictureForm(readAll(addresses, signal), {
      nameOf: (index) => `page ${index + 1}`,
      refuse: (name, problem) => new ProtocolError("media_unsupported", `${name}: ${problem}.`),
    });
    const upload = await uploads.receive(form.body, { owner, signal, contentType: form.contentType });
    const { uploadId, facts } = upload;
    if (facts.numFrames === addresses.length) return uploadId;
    await uploads.remove(uploadId, owner);
    const message = `page 1: expected a picture, got an animation of ${facts.numFrames} frames.`;
    throw new ProtocolError("media_unsupported", message);
  }

  async function* readAll(addresses: readonly unknown[], signal: AbortSignal): AsyncGenerator<PicturePart> {
    for (const address of addresses) {
      const { body } = await fetcher.fetch(address, signal);
      yield { kind: "begin" };
      for await (const bytes of body) yield { kind: "bytes", bytes };
      yield { kind: "end" };
    }
  }

  async function startSession(owner: OwnerId, client: Client, source: TaskMedia): Promise<HostedSession> {
    const { signal } = source;
    const uploadId = await receive(owner, source);
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
     * The session of a task; a new one when the earlier one has ended.
     * @throws ProtocolError when the media cannot be fetched or opened
     */
    async open(state: TaskState, source: TaskMedia): Promise<OpenTask> {
      const client = predictor.connect({ owner: state.owner });
      const isNew = !state.session || state.session.hasEnded;
      const hosted = isNew ? await openSession(state, client, source) : (state.session as HostedSession);
      const { facts, media } = await hosted.use();
      const isTimed = facts.kind === "video";
      const timesUs = isTimed
        ? Array.from({ length: facts.num_frames }, (_, at) => media.timeOf(at) ?? 0)
        : [];
      return { client, sessionId: hosted.id, facts, timesUs, isNew };
    },
  };
}

export type Tasks = ReturnType<typeof createTasks>;

function createTask(owner: OwnerId): TaskState {
  return {
    owner,
    objects: new Map(),
    phrases: new Map(),
    nextObjectId: FIRST_OBJECT_ID,
    inOrder: createSerial().run,
  };
}

export function addObject(state: TaskState, label: string, id = state.nextObjectId++): TaskObject {
  const object: TaskObject = { id, label, prompts: [], sent: [], regionIds: new Set() };
  state.objects.set(id, object);
  return object;
}

export const objectOf = (state: TaskState, regionId: string): TaskObject | undefined =>
  [...state.objects.values()].find(({ regionIds }) => regionIds.has(regionId));

/** Adds a prompt that was sent. It replaces an earlier one on its frame; stretches are added. */
export function rememberPrompt(object: TaskObject, prompt: Prompt): void {
  const isReplaced = (one: Prompt) => !isStretch(one) && !isStretch(prompt) && one.frame === prompt.frame;
  object.prompts = [...object.prompts.filter((one) => !isReplaced(one)), prompt].slice(-MAX_PER_OBJECT);
}

export function rememberRegion({ regionIds }: TaskObject, id: string): void {
  regionIds.delete(id);
  regionIds.add(id);
  for (const oldest of regionIds) {
    if (regionIds.size <= MAX_PER_OBJECT) break;
    regionIds.delete(oldest);
  }
}
