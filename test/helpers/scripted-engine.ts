/** An engine without a model: every object is a moving square, and tests control when a call finishes. */
import { encodeMask, type ProtocolError } from "../../protocol/index.js";
import {
  type Engine,
  EngineError,
  type EngineFrame,
  type FrameOutput,
  type ObjectOutput,
  type PackSummary,
  type SessionHooks,
} from "../../server/engine/index.js";
import { orderCalls } from "../../server/engine/session-calls.js";
import {
  type CallVerb,
  type SessionVerb,
  type Step,
  type VerbParams,
  type VerbResult,
  verbMethods,
} from "../../server/engine/verbs.js";
import type { Edit, EditResult } from "../../tracker/edits/edit.js";

export interface ScriptedEngine extends Engine {
  /** Every call in order, such as `open`, `prompt 3`, `begin forward`, `next 4`, `remove 1`, `reset`, `close`. */
  readonly calls: readonly string[];
  /** Indices of the frames that were pushed, oldest first. */
  readonly pushed: readonly number[];
  /** Later calls of this kind wait until the returned function is called. */
  hold(kind: string): () => void;
  /** Later calls of this verb reject with the error. */
  failWith(verb: SessionVerb, error: Error): void;
  /** Resolves when a call such as `next 4` has started. */
  called(call: string): Promise<void>;
  /** Ends all sessions as a crash of the inference process does when no session can be rebuilt. */
  crash(): void;
}

export interface ScriptedEngineOptions {
  /** Number of characters in each mask's RLE text. */
  maskBytes?: number;
  /** The object on a frame, instead of the moving square. */
  drawObject?(objectId: number, frameIndex: number): Pick<ObjectOutput, "mask" | "boxXywh" | "judged">;
}

interface ScriptedSession {
  objects: Set<number>;
  concepts: string[];
  negativeConcepts: string[];
  pushed: EngineFrame[];
  /** As the timeline of a tracking session. */
  done: ScriptedState[];
  undone: ScriptedState[];
}

type ScriptedState = Pick<ScriptedSession, "objects" | "concepts">;

const stateOf = ({ objects, concepts }: ScriptedState): ScriptedState => ({
  objects: new Set(objects),
  concepts: [...concepts],
});

interface Handler<V extends SessionVerb> {
  /** The call's name in `calls`; absent for calls that are not recorded. */
  name?: (params: VerbParams<V>, session: ScriptedSession) => string;
  answer: (session: ScriptedSession, params: VerbParams<V>) => VerbResult<V>;
}

const PACK: PackSummary = {
  id: "scripted",
  family: "scripted",
  version: "1",
  hash: "0".repeat(64),
  inputSize: 16,
  capabilities: { text: true, exemplars: true, points: true, maskSeed: true },
  provider: "none",
};

const factsOf = (objects: ReadonlySet<number>) =>
  [...objects].map((objectId) => ({ objectId, concept: null, locked: [], absent: [] }));

/** Objects have no masks of their own, so only the ids change. */
function applyScriptedEdit({ objects, concepts }: ScriptedSession, edit: Edit): EditResult {
  const check = (id: number, field: string) => {
    if (objects.has(id)) return;
    throw new EngineError("object_not_found", `There is no object ${id}.`, field);
  };
  switch (edit.kind) {
    case "lock":
      for (const { objectId } of edit.masks) check(objectId, "obj_id");
      return { removedIds: [] };
    case "unlock":
      for (const id of edit.objectIds) check(id, "obj_id");
      return { removedIds: [] };
    case "absent":
      check(edit.objectId, "obj_id");
      return { removedIds: [] };
    case "merge":
      check(edit.objectId, "obj_id");
      edit.otherIds.forEach((id, index) => void check(id, `other_obj_ids[${index}]`));
      for (const id of edit.otherIds) objects.delete(id);
      return { removedIds: edit.otherIds };
    case "split": {
      check(edit.objectId, "obj_id");
      const newObjectId = edit.newObjectId ?? Math.max(...objects) + 1;
      objects.add(newObjectId);
      return { removedIds: [], newObjectId };
    }
    case "swap":
      check(edit.objectId, "obj_id");
      check(edit.otherId, "other_obj_id");
      return { removedIds: [] };
    case "removeConcept": {
      const index = concepts.indexOf(edit.concept);
      if (index < 0) throw new EngineError("concept_not_found", `There is no ${edit.concept}.`, "concept");
      concepts.splice(index, 1);
      return { removedIds: [] };
    }
  }
}

export function createScriptedEngine({
  maskBytes = 0,
  drawObject,
}: ScriptedEngineOptions = {}): ScriptedEngine {
  const open = new Set<{ lose(error: EngineError): void }>();
  const calls: string[] = [];
  const pushedFrames: number[] = [];
  const held = new Map<string, Promise<void>>();
  const watchers: { call: string; seen: () => void }[] = [];
  const failures = new Map<SessionVerb, Error>();
  let frames = 0;
  let restarts = 0;

  function outputOf(frameIndex: number, objects: Set<number>): FrameOutput {
    frames++;
    const bits = new Uint8Array(16).fill(1, frameIndex % 8, (frameIndex % 8) + 4);
    const mask =
      maskBytes > 0
        ? { size: [4, 4] as [number, number], counts: "0".repeat(maskBytes) }
        : encodeMask(bits, 4, 4);
    return {
      frameIndex,
      objects: [...objects]
        .sort((a, b) => a - b)
        .map((objectId) => ({
          ...{ objectId, prob: objectId === 99 ? 0.3 : 0.9, boxXywh: [0, 0, 1, 1], mask },
          ...drawObject?.(objectId, frameIndex),
        })),
      stats: { tracked: objects.size, dropped: 0 },
    };
  }

  const handlers: { [V in SessionVerb]: Handler<V> } = {
    prompt: {
      name: ({ frame }) => `prompt ${frame.index}`,
      answer({ objects, concepts, negativeConcepts }, { frame, prompt }) {
        if (prompt.kind === "concept" && prompt.negative) {
          negativeConcepts.push(prompt.text ?? "");
          return { output: outputOf(frame.index, objects) };
        }
        if (prompt.kind === "concept") {
          concepts.push(prompt.text ?? "");
          // A phrase outside the vocabulary of the model.
          if (prompt.text !== "nothing") objects.add(objects.size);
          return { output: outputOf(frame.index, objects) };
        }
        const objectId = prompt.objectId ?? objects.size;
        objects.add(objectId);
        return { output: outputOf(frame.index, objects), objectId };
      },
    },
    predict: {
      name: ({ frame }) => `predict ${frame.index}`,
      answer(_, { prompt: { points, multimask } }) {
        const candidate = {
          mask: encodeMask(new Uint8Array(16).fill(1, 0, 4), 4, 4),
          iou: 0.5,
          logits: Float32Array.of(1, -1, 1, -1),
          size: [2, 2] as [number, number],
        };
        return points.map(() => Array(multimask ? 3 : 1).fill(candidate));
      },
    },
    begin: {
      name: ({ reverse }) => `begin ${reverse ? "backward" : "forward"}`,
      answer(session) {
        session.pushed = [];
        return { mode: "full" };
      },
    },
    recall: {
      name: ({ frame, masks }) => `recall ${frame.index} ${masks.map(({ objectId }) => objectId).join()}`,
      answer: () => undefined,
    },
    push: {
      answer({ pushed }, { frame }) {
        pushedFrames.push(frame.index);
        pushed.push(frame);
        return undefined;
      },
    },
    next: {
      name: (_, { pushed }) => `next ${pushed[0]?.index}`,
      answer({ pushed, objects }) {
        const frame = pushed.shift();
        if (!frame) throw new EngineError("internal", "No pushed frame waits for its step.");
        return [outputOf(frame.index, objects)];
      },
    },
    fetch: {
      name: ({ frameIndex }) => `fetch ${frameIndex}`,
      answer: ({ objects }, { frameIndex }) => outputOf(frameIndex, objects),
    },
    removeObject: {
      name: ({ objectId }) => `remove ${objectId}`,
      answer({ objects }, { objectId }) {
        if (objects.delete(objectId)) return undefined;
        throw new EngineError("object_not_found", `There is no object ${objectId}.`, "obj_id");
      },
    },
    edit: {
      name: ({ edit }) => `edit ${edit.kind}`,
      answer: (session, { edit }) => ({
        ...applyScriptedEdit(session, edit),
        objects: factsOf(session.objects),
      }),
    },
    anchor: {
      name: ({ frame }) => `anchor ${frame.index}`,
      answer: () => undefined,
    },
    rollback: {
      name: ({ to }) => `rollback ${to}`,
      answer(session, { to }) {
        const [from, other] =
          to === "before" ? [session.done, session.undone] : [session.undone, session.done];
        const state = from.pop();
        if (!state) throw new EngineError("internal", "There is no such edit.");
        other.push(stateOf(session));
        Object.assign(session, {
          objects: new Set(state.objects),
          concepts: [...state.concepts],
          pushed: [],
        });
        return undefined;
      },
    },
    describe: {
      name: () => "describe",
      answer: ({ objects, concepts, negativeConcepts }) => ({
        concepts: [...concepts],
        negativeConcepts: [...negativeConcepts],
        objectIds: [...objects],
        objects: factsOf(objects),
      }),
    },
    reset: {
      name: () => "reset",
      answer(session) {
        session.objects.clear();
        session.concepts = [];
        session.negativeConcepts = [];
        session.pushed = [];
        return undefined;
      },
    },
  };

  /** Records a call, and waits while the test holds it. Rejects when the session ends first. */
  async function enter(call: string, ended: Promise<never>): Promise<void> {
    calls.push(call);
    for (const watcher of watchers) if (watcher.call === call) watcher.seen();
    // A call to another process also takes at least one turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.race([held.get(call.split(" ")[0] as string), ended]);
  }

  async function openSession(hooks: SessionHooks) {
    const session: ScriptedSession = {
      objects: new Set(),
      concepts: [],
      negativeConcepts: [],
      pushed: [],
      done: [],
      undone: [],
    };
    let endWith: (error: ProtocolError) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      endWith = reject;
    });
    ended.catch(() => {});
    let isClosed = false;
    const entry = {
      lose(error: EngineError) {
        open.delete(entry);
        endWith(error);
        ordered.refuse(error);
        if (!isClosed && error.code !== "shutting_down") hooks.onLost?.(error);
      },
    };
    const ordered = orderCalls((async (verb: SessionVerb, params: never) => {
      const { name, answer } = handlers[verb] as Handler<SessionVerb>;
      if (name) await enter(name(params, session), ended);
      const failure = failures.get(verb);
      if (failure) throw failure;
      const before = stateOf(session);
      const result = answer(session, params);
      if ((params as Step | undefined)?.isStep) {
        session.done.push(before);
        session.undone = [];
      }
      return result;
    }) as CallVerb);
    open.add(entry);
    await enter("open", ended);
    return {
      ...verbMethods(ordered.call),
      rules: { pack: PACK, defaultStart: "prompted" as const },
      snapshot: () => ordered.inTurn(async () => Uint8Array.of(1, 2, 3)),
      async close(reason?: ProtocolError) {
        if (isClosed || !open.has(entry)) return;
        isClosed = true;
        const inProgress = ordered.inTurn(async () => {}).catch(() => {});
        ordered.refuse(reason ?? new EngineError("session_not_found", "The session is closed."));
        await inProgress;
        open.delete(entry);
        calls.push("close");
      },
    };
  }

  function endAll(error: EngineError): void {
    for (const entry of [...open]) entry.lose(error);
  }

  return {
    pack: PACK,
    calls,
    pushed: pushedFrames,
    hold(kind) {
      let release = () => {};
      held.set(
        kind,
        new Promise((resolve) => {
          release = () => {
            held.delete(kind);
            resolve();
          };
        }),
      );
      return release;
    },
    failWith: (verb, error) => void failures.set(verb, error),
    called: (call) =>
      new Promise((seen) => {
        if (calls.includes(call)) seen();
        else watchers.push({ call, seen });
      }),
    crash() {
      restarts++;
      endAll(new EngineError("engine_restarted", "The inference process ended."));
    },
    open: (_, hooks = {}) => openSession(hooks),
    reload: async () => PACK,
    stats: () => ({
      state: "ready",
      reason: null,
      frames,
      runSecondsByThread: { encode: 0, main: 0.5 },
      processes: 1,
      restarts,
      workerPid: null,
      graphs: { detect: { thread: "main", runs: frames, ms: 500, memoryBytes: 4096 } },
    }),
    async close() {
      endAll(new EngineError("shutting_down", "The engine was closed."));
      calls.push("engine closed");
    },
  };
}
