/** The inference process's side of the engine: one pack, many sessions, and the handler of every verb. */
import type { RunGraph } from "../../detector/graph.js";
import { renderMaps } from "../../tracker/masks/render.js";
import type { TrackerPolicy } from "../../tracker/policy.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { openPack, type Pack } from "../packs/pack.js";
import { createSerial, type Serial } from "../serial.js";
import { EngineError, type EngineVideo, type PackSummary, type SessionRules } from "./engine.js";
import type { GraphCosts } from "./graph-costs.js";
import { type OpenGraphs, openGraphs } from "./graphs.js";
import type { LoadParams, ProcessVerb, ProcessVerbs } from "./ipc.js";
import { livePolicy } from "./live-policy.js";
import { sessionPolicy } from "./session-policy.js";
import { decodeSnapshot, encodeSnapshot, type SnapshotPack } from "./snapshot-bytes.js";
import { checkSnapshot } from "./snapshot-schema.js";
import { createTurns, type SessionTurns, type TurnHolders } from "./turns.js";
import {
  type EngineFrame,
  type EnginePrompt,
  type Holdings,
  MAX_PUSHED_FRAMES,
  type ObjectRoom,
  type PromptAnswer,
  SESSION_VERBS,
  type SessionVerb,
  type VerbParams,
  type VerbResult,
} from "./verbs.js";

export interface SessionHost {
  readonly processHandlers: {
    [V in ProcessVerb]: (params: ProcessVerbs[V]["params"]) => Promise<ProcessVerbs[V]["result"]>;
  };
  /** @param signal ends a call that changes no state, at its next turn */
  call<V extends SessionVerb>(
    session: number,
    verb: V,
    params: VerbParams<V>,
    signal?: AbortSignal,
  ): Promise<VerbResult<V>>;
  /** A person waits for the end of the session's call. */
  hurry(session: number): void;
  costs(): GraphCosts;
}

interface Hosted {
  tracking: TrackingSession;
  turns: SessionTurns;
  /** Runs one call after the other; pushes are carried out at once. */
  calls: Serial;
  /** A person waits for the end of the call in progress, or of the next one. */
  isHurried: boolean;
  run: RunGraph;
  /** Frames pushed and not yet stepped, oldest first: their pixels cross from the main process once. */
  pushed: ({ frame: EngineFrame } & ObjectRoom)[];
  /** The limit of the call in progress. */
  room: ObjectRoom;
}

interface Model {
  pack: Pack;
  graphs: OpenGraphs;
}

type Handlers = {
  [V in SessionVerb]: (hosted: Hosted, params: VerbParams<V>, model: Model) => Promise<VerbResult<V>>;
};

const HANDLERS: Handlers = {
  async prompt({ tracking, room }, { frame, prompt, isStep, maxObjects }, { pack }) {
    checkFrame(frame, pack);
    limitObjects(room, maxObjects);
    if (isStep) tracking.checkpoint();
    const answer = await tracking.prompt(frame, prompt);
    return { ...answer, ...vocabularyOf(pack, prompt), holds: holdingsOf(tracking) };
  },
  async predict({ tracking, run }, { frame, prompt }, { pack }) {
    checkFrame(frame, pack);
    const proposed = await tracking.predict(frame, prompt);
    const logits = proposed.flat().map(({ maskLogits }) => maskLogits);
    const maps = await renderMaps(run, pack.manifest.geometry.m, tracking.video, logits);
    return proposed.map((candidates) =>
      candidates.map(({ iou }) => ({ iou, ...(maps.shift() as (typeof maps)[0]) })),
    );
  },
  async begin(hosted, pass) {
    const start = await hosted.tracking.beginPropagation(pass);
    hosted.pushed = [];
    return start;
  },
  async recall({ tracking }, { frame, masks }, { pack }) {
    checkFrame(frame, pack);
    await tracking.recall(frame, masks);
  },
  async push({ tracking, pushed }, { frame, maxObjects }, { pack }) {
    checkFrame(frame, pack);
    if (pushed.length >= MAX_PUSHED_FRAMES) {
      const waiting = pushed.map((one) => one.frame.index).join(", ");
      throw new EngineError("internal", `Frame ${frame.index} was pushed while frames ${waiting} wait.`);
    }
    pushed.push({ frame, ...(maxObjects !== undefined && { maxObjects }) });
    tracking.prepare(frame);
  },
  async next({ tracking, pushed, room }) {
    const [oldest] = pushed;
    if (!oldest) throw new EngineError("internal", "No pushed frame waits for its step.");
    limitObjects(room, oldest.maxObjects);
    const outputs = await tracking.step(oldest.frame);
    pushed.shift();
    return outputs;
  },
  fetch: async ({ tracking }, { frameIndex }) => tracking.fetch(frameIndex),
  async removeObject({ tracking }, { objectId, isStep }) {
    if (isStep) tracking.checkpoint();
    if (tracking.removeObject(objectId)) return;
    throw new EngineError("object_not_found", `There is no object ${objectId} in this session.`, "obj_id");
  },
  async edit({ tracking, room }, { edit, isStep, maxObjects }) {
    limitObjects(room, maxObjects);
    if (isStep) tracking.checkpoint();
    const result = await tracking.edit(edit);
    return { ...result, objects: tracking.describe().objects, holds: holdingsOf(tracking) };
  },
  async anchor({ tracking }, { frame, masks }, { pack }) {
    checkFrame(frame, pack);
    await tracking.anchor(frame, masks);
    return undefined;
  },
  async rollback(hosted, { to }) {
    hosted.tracking.rollback(to);
    hosted.pushed = [];
  },
  describe: async ({ tracking }) => tracking.describe(),
  async reset(hosted) {
    hosted.tracking.reset();
    hosted.pushed = [];
  },
};

function vocabularyOf({ tokenize }: Pack, prompt: EnginePrompt): Pick<PromptAnswer, "vocabulary"> {
  if (!tokenize || prompt.kind !== "concept" || prompt.text === undefined) return {};
  const { wordCount, unknownWords } = tokenize(prompt.text);
  return { vocabulary: { coverage: 1 - unknownWords.length / wordCount, unknownWords } };
}

function limitObjects(room: ObjectRoom, maxObjects: number | undefined): void {
  if (maxObjects === undefined) delete room.maxObjects;
  else room.maxObjects = maxObjects;
}

function holdingsOf(tracking: TrackingSession): Holdings {
  const { concepts, negativeConcepts, objectIds } = tracking.describe();
  return { concepts: concepts.length + negativeConcepts.length, objects: objectIds.length };
}

/** @param onTurn called while there are several sessions: those whose turn begins */
export function createSessionHost(
  log: (level: "info" | "warn", message: string) => void,
  onTurn?: (holders: TurnHolders) => void,
): SessionHost {
  const sessions = new Map<number, Hosted>();
  const turns = createTurns((holders) => {
    if (sessions.size > 1) onTurn?.(holders);
  });
  let loaded: Model | undefined;

  function model(): Model {
    if (!loaded) throw new EngineError("internal", "No model pack is loaded.");
    return loaded;
  }

  function hosted(session: number): Hosted {
    const found = sessions.get(session);
    if (!found) throw new EngineError("session_not_found", `The engine has no session ${session}.`);
    return found;
  }

  return {
    costs: () => loaded?.graphs.costs ?? {},
    processHandlers: {
      async load(params) {
        loaded = await loadModel(params, log);
        return summarize(loaded);
      },
      async open({ session, video, snapshot }) {
        const { id, weight } = video.owner ?? NO_OWNER;
        const own = turns.join(session, id, weight);
        try {
          own.isUrgent = true;
          await own.pause();
          own.isUrgent = false;
          const run = model().graphs.inTurns(own);
          const room: ObjectRoom = {};
          const { tracking, rules } = openSession({ model: model(), run, room }, video, snapshot);
          sessions.set(session, {
            tracking,
            turns: own,
            calls: createSerial(),
            isHurried: false,
            run,
            pushed: [],
            room,
          });
          return rules;
        } catch (error) {
          own.leave();
          throw error;
        }
      },
      async snapshot({ session, maxBytes }) {
        const { tracking, turns, calls } = hosted(session);
        return calls.run(async () => {
          await turns.pause();
          const start = performance.now();
          const { manifest, hash } = model().pack;
          const bytes = encodeSnapshot(tracking.snapshot(), { id: manifest.id, hash });
          const ms = performance.now() - start;
          return bytes.length <= maxBytes ? { bytes, ms } : { ms };
        });
      },
      async close({ session }) {
        const closing = sessions.get(session);
        sessions.delete(session);
        await closing?.calls.run(async () => closing.turns.leave());
      },
      ping: async () => undefined,
    },
    hurry(session) {
      const called = sessions.get(session);
      if (!called) return;
      called.isHurried = true;
      called.turns.isUrgent = true;
    },
    async call(session, verb, params, signal) {
      const called = hosted(session);
      const handle = () => HANDLERS[verb](called, params, model());
      const { pushedFrames, isUrgent, changesState } = SESSION_VERBS[verb];
      if (pushedFrames === "add") return handle();
      return called.calls.run(async () => {
        called.turns.isUrgent = isUrgent || called.isHurried;
        called.turns.signal = changesState ? undefined : signal;
        try {
          await called.turns.pause();
          return await handle();
        } finally {
          called.isHurried = false;
          called.turns.isUrgent = false;
          called.turns.signal = undefined;
        }
      });
    },
  };
}

async function loadModel(
  params: LoadParams,
  log: (level: "info" | "warn", message: string) => void,
): Promise<Model> {
  try {
    const pack = await openPack(params.packDir);
    const graphs = await openGraphs(pack, { ...params, warn: (message) => log("warn", message) });
    const placed = Object.entries(graphs.providers).map(([role, provider]) => {
      const megabytes = Math.round((graphs.costs[role]?.memoryBytes ?? 0) / 2 ** 20);
      return `${role} on ${provider} (${megabytes} MB of memory)`;
    });
    log("info", `graphs opened: ${placed.join(", ")}`);
    return { pack, graphs };
  } catch (error) {
    throw new EngineError(
      "engine_failed",
      `The model pack in ${params.packDir} cannot be used: ${(error as Error).message}`,
    );
  }
}

function summarize({ pack, graphs }: Model): PackSummary {
  const { id, family, version, geometry, capabilities } = pack.manifest;
  const { text, exemplars, points, maskSeed } = capabilities;
  // Masks are always rendered on the CPU, whatever the model runs on.
  const used = Object.entries(graphs.providers).filter(([role]) => role !== "render");
  const provider = [...new Set(used.map(([, name]) => name))].join("+");
  return {
    id,
    family,
    version,
    hash: pack.hash,
    inputSize: geometry.S,
    capabilities: { text, exemplars, points, maskSeed },
    provider,
  };
}

const NO_OWNER = { id: "", weight: 1 };

function openSession(
  { model, run, room }: { model: Model; run: RunGraph; room: ObjectRoom },
  { width, height, numFrames, policy: override }: EngineVideo,
  snapshot?: Uint8Array,
): { tracking: TrackingSession; rules: SessionRules } {
  const { pack, graphs } = model;
  const { geometry, bank, decode, capabilities } = pack.manifest;
  const tokenize = (phrase: string) => {
    if (!pack.tokenize)
      throw new EngineError("unsupported_by_pack", "This model pack does not read text.", "text");
    return pack.tokenize(phrase);
  };
  const resolved = sessionPolicy(pack.manifest, override);
  const policy = withinRoom(numFrames === undefined ? livePolicy(resolved) : resolved, room);
  const tracker = createVideoTracker({
    run,
    tokenize,
    geometry,
    bank,
    decode,
    capabilities,
    policy,
    numFrames,
    frameAspect: graphs.inputs.detect?.includes("aspect") ? width / height : undefined,
    hasQueryOutput: graphs.outputs.detect?.includes("query") ?? false,
  });
  const video = { width, height };
  const parts = { tracker, policy, run, m: geometry.m, video, numFrames };
  const { id } = pack.manifest;
  const state = snapshot && readSnapshot(snapshot, { id, hash: pack.hash }, geometry, video);
  return {
    tracking: createTrackingSession(parts, state),
    rules: {
      pack: summarize(model),
      defaultStart: policy.session.startsAtVisited ? "visited" : "prompted",
    },
  };
}

/** The policy with the smaller of its own limit of objects and that of the call in progress. */
function withinRoom(policy: TrackerPolicy, room: ObjectRoom): TrackerPolicy {
  const { maxNumObjects } = policy.life;
  const life = {
    ...policy.life,
    get maxNumObjects() {
      return Math.min(maxNumObjects, room.maxObjects ?? maxNumObjects);
    },
  };
  return { ...policy, life };
}

/** @throws EngineError saved_unreadable */
function readSnapshot(
  bytes: Uint8Array,
  pack: SnapshotPack,
  geometry: Pack["manifest"]["geometry"],
  video: { width: number; height: number },
): SessionSnapshot {
  let state: unknown;
  try {
    state = decodeSnapshot(bytes, pack);
  } catch (cause) {
    const reason = cause instanceof RangeError ? cause.message : "Its header is damaged.";
    const message = `The saved state of the tracker cannot be read: ${reason}`;
    throw new EngineError("saved_unreadable", message, "saved_id", { cause });
  }
  return checkSnapshot(state, geometry, video);
}

function checkFrame(frame: EngineFrame, { manifest }: Pack): void {
  const { S } = manifest.geometry;
  if (frame.rgb.length === S * S * 3) return;
  throw new EngineError("internal", `A frame must have ${S}x${S}x3 bytes; this one has ${frame.rgb.length}.`);
}
