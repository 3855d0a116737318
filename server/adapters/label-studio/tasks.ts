/**
 * The work of annotators on tasks: one session for each annotator of a task, because objects of one session share its pixels, and what
 * must outlive the session to continue after it has ended. The number and the size of both are bounded.
 */
import { createHash, randomBytes } from "node:crypto";
import { type AnswerOf, ProtocolError, type VideoFacts } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Client, Predictor } from "../../predictor.js";
import { createSerial } from "../../serial.js";
import type { OwnerId } from "../../session-owner.js";
import { type PicturePart, writePictureForm } from "../picture-form.js";
import { ask } from "../requests.js";
import type { RelativeBox } from "./boxes.js";
import type { MediaFetcher } from "./fetch-media.js";
import type { Keyframe } from "./schemas.js";

/** States that are remembered. */
const MAX_STATES = 256;
/** Open sessions of one owner; the one that was used least recently ends in favour of another one. */
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
  /** Begins the ids of the regions that the adapter makes for this object. Copies of the object have the same. */
  readonly name: string;
  label: string;
  /** The phrase that has found the object; undefined for a drawn one. */
  concept?: string;
  /** Of a found object: some of its boxes, by which it is recognized when its phrase is searched for again. */
  trace: { frame: number; box: RelativeBox }[];
  prompts: Prompt[];
  /** Of a video region: the keyframes of the last answer. */
  sent: Keyframe[];
  /** Ids of the regions of Label Studio that prompt this object. */
  regionIds: Set<string>;
}

/** What one annotator has done on a task. */
export interface TaskState {
  readonly owner: OwnerId;
  /** Identifies the task. */
  readonly key: string;
  /** The predictions that Label Studio has fetched in advance, with which every annotator may begin. */
  readonly isBatch: boolean;
  /** As drafts of Label Studio name him; undefined until it sends one. */
  annotator?: string;
  readonly objects: Map<number, TaskObject>;
  /** The phrases that were searched for, with the label of their objects. */
  readonly phrases: Map<string, string>;
  /** Phrases and ids of drawn objects, in the order in which they came. */
  history: (string | number)[];
  nextObjectId: number;
  /** Found objects of an earlier session that are not recognized in this one yet. */
  awaited: TaskObject[];
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
  /** Ends the session. The next request opens another one. */
  end(): Promise<void>;
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

const REGION_PREFIX = "masklet-";

/** Ids of objects that the adapter chooses. Those of detected objects count from 0. */
const FIRST_OBJECT_ID = 1_000_000;

export function createTasks({ predictor, media: fetcher }: TasksParts) {
  const { sessions, uploads } = predictor;
  /** The least recently used state first. */
  const states = new Set<TaskState>();
  /** Owners of the sessions that are being opened, each with their number. */
  const opening = new Map<OwnerId, number>();
  /** Sessions that end in favour of another task. */
  const ending = new WeakSet<HostedSession>();

  /** Counts as use. */
  function use(state: TaskState): TaskState {
    states.delete(state);
    states.add(state);
    for (const oldest of states) {
      if (states.size <= MAX_STATES) break;
      states.delete(oldest);
      void oldest.session?.close();
    }
    return state;
  }

  /** Ends the session that was used least recently, among those that are idle. Returns false when there is none. */
  async function endOne(owner: OwnerId): Promise<boolean> {
    for (const { session } of states) {
      if (session?.owner !== owner || session.hasEnded || session.isBusy || ending.has(session)) continue;
      ending.add(session);
      await session.close();
      return true;
    }
    return false;
  }

  const isOpen = ({ session }: TaskState) => session && !session.hasEnded && !ending.has(session);

  const openCount = (owner: OwnerId) =>
    [...states].filter((state) => state.owner === owner && isOpen(state)).length + (opening.get(owner) ?? 0);

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
      const [address] = addresses;
      const { body, contentLength } = await fetcher.fetch(address, signal);
      const upload = await uploads.receive(body, { owner, signal, contentLength }).catch((error) => {
        const isAboutTheFile = error instanceof ProtocolError && error.code.startsWith("media_");
        throw isAboutTheFile ? new ProtocolError(error.code, `${address}: ${error.message}`) : error;
      });
      return upload.uploadId;
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
      const start = (): Promise<AnswerOf<"start_session">> =>
        ask(client, request, signal).catch(async (error) => {
          const isFull = error instanceof ProtocolError && error.code === "session_limit";
          if (!isFull || !(await endOne(owner))) throw error;
          return start();
        });
      const started = await start();
      const hosted = sessions.find(owner, started.session_id);
      if (!hosted) throw sessions.refusal(started.session_id);
      return hosted;
    } finally {
      // The session keeps the files until it ends.
      await uploads.remove(uploadId, owner);
    }
  }

  return {
    /** Of a task, the least recently used one first. */
    statesOf: (key: string): TaskState[] => [...states].filter((state) => state.key === key),
    use,
    create: (owner: OwnerId, key: string, isBatch = false): TaskState =>
      use(createState({ owner, key, isBatch })),
    /**
     * A state with the same objects, which takes over the session: what follows there no longer changes the first state, which gets
     * another session when it is used again. Must run when the first state is idle.
     */
    copy(state: TaskState): TaskState {
      const { owner, key, objects, phrases, history, awaited, nextObjectId, session } = state;
      const copied: TaskState = {
        ...createState({ owner, key, isBatch: false }),
        objects: new Map([...objects].map(([id, object]) => [id, copyObject(object)])),
        phrases: new Map(phrases),
        ...{ history: [...history], awaited: awaited.map(copyObject), nextObjectId },
        ...(session && { session }),
      };
      delete state.session;
      return use(copied);
    },
    /** Moves the objects of `source` to `target`, which is opened again with all of them. Must run when both are idle. */
    async merge(target: TaskState, source: TaskState): Promise<void> {
      states.delete(source);
      const ids = new Map<number, number>();
      for (const [id, object] of source.objects) {
        const moved = target.nextObjectId++;
        ids.set(id, moved);
        target.objects.set(moved, { ...object, id: moved });
      }
      for (const [phrase, label] of source.phrases)
        if (!target.phrases.has(phrase)) target.phrases.set(phrase, label);
      const steps = source.history.map((step) => (typeof step === "string" ? step : (ids.get(step) ?? step)));
      target.history.push(...steps.filter((step) => !target.history.includes(step)));
      target.awaited.push(...source.awaited);
      await Promise.all([source.session?.close(), target.session?.close()]);
    },
    /**
     * The session of a state; a new one when the earlier one has ended.
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
      return { client, sessionId: hosted.id, facts, timesUs, isNew, end: () => hosted.close() };
    },
  };
}

export type Tasks = ReturnType<typeof createTasks>;

/** @param taskKey of the project and the task */
export function keyOf(owner: OwnerId, taskKey: string, addresses: readonly unknown[]): string {
  // A task can have thousands of addresses.
  return createHash("sha256")
    .update(JSON.stringify([owner, taskKey, addresses]))
    .digest("hex");
}

const createState = (facts: Pick<TaskState, "owner" | "key" | "isBatch">): TaskState => ({
  ...facts,
  ...{ objects: new Map(), phrases: new Map(), history: [], awaited: [] },
  nextObjectId: FIRST_OBJECT_ID,
  inOrder: createSerial().run,
});

function createObject(id: number, label: string, facts: Partial<TaskObject> = {}): TaskObject {
  const name = `${REGION_PREFIX}${randomBytes(6).toString("hex")}`;
  return { id, name, label, prompts: [], sent: [], trace: [], regionIds: new Set(), ...facts };
}

const copyObject = (object: TaskObject): TaskObject => ({
  ...object,
  ...{ prompts: [...object.prompts], trace: [...object.trace], regionIds: new Set(object.regionIds) },
});

/** An object that an annotator draws. */
export function drawObject(state: TaskState, label: string): TaskObject {
  const object = createObject(state.nextObjectId++, label);
  state.objects.set(object.id, object);
  state.history.push(object.id);
  return object;
}

/** An object that a phrase has found. */
export function addFound(state: TaskState, label: string, id: number, concept: string): void {
  state.objects.set(id, createObject(id, label, { concept }));
}

export function forgetObject(state: TaskState, id: number): void {
  state.objects.delete(id);
  state.history = state.history.filter((one) => one !== id);
}

/** True for the id of a region that the adapter has made. */
export const isOurs = (regionId: string): boolean => regionId.startsWith(REGION_PREFIX);

export const objectOf = (state: TaskState, regionId: string): TaskObject | undefined =>
  [...state.objects.values()].find(
    ({ name, regionIds }) => regionIds.has(regionId) || (isOurs(regionId) && regionId.startsWith(name)),
  );

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
