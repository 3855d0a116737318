/** An engine without a model: every object is a moving square, and tests decide when a step may finish. */
import { encodeMask } from "../../protocol/index.js";
import { type Engine, EngineError, type FrameOutput, type PackSummary } from "../../server/engine/index.js";

export interface ScriptedEngine extends Engine {
  /** Every call in order, such as `open`, `prompt 3`, `begin forward`, `step 4`, `remove 1`, `reset`, `close`. */
  readonly calls: readonly string[];
  /** The frames given ahead of their step, oldest first. */
  readonly given: readonly number[];
  /** From now on calls of this kind wait until the returned function is called. */
  hold(kind: string): () => void;
  /** Resolves when a call such as `step 4` has come in. */
  called(call: string): Promise<void>;
  /** As if the inference process had died. */
  crash(): void;
}

export interface ScriptedEngineOptions {
  /** Length of each mask's text. */
  maskBytes?: number;
}

export function createScriptedEngine({ maskBytes = 0 }: ScriptedEngineOptions = {}): ScriptedEngine {
  const sessions = new Map<string, { objects: Set<number>; concepts: string[] }>();
  const calls: string[] = [];
  const given: number[] = [];
  const held = new Map<string, Promise<void>>();
  const watchers: { call: string; seen: () => void }[] = [];
  const listeners: ((lost: string[]) => void)[] = [];
  let die: (error: EngineError) => void = () => {};
  let death = newLife();
  let frames = 0;
  let restarts = 0;

  /** Rejects when the process that the calls of now would be in ends. */
  function newLife(): Promise<never> {
    const life = new Promise<never>((_, reject) => {
      die = reject;
    });
    life.catch(() => {});
    return life;
  }

  async function enter(sessionId: string, kind: string, detail = "") {
    const call = detail === "" ? kind : `${kind} ${detail}`;
    calls.push(call);
    const life = death;
    for (const watcher of watchers) if (watcher.call === call) watcher.seen();
    // A call to a process takes a while, whatever it is about.
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.race([held.get(kind), life]);
    const session = sessions.get(sessionId);
    if (!session) throw new EngineError("session_not_found", `no session ${sessionId}`);
    return session;
  }

  function show(frameIndex: number, objects: Set<number>): FrameOutput {
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
        .map((objectId) => ({ objectId, prob: objectId === 99 ? 0.3 : 0.9, boxXywh: [0, 0, 1, 1], mask })),
      stats: { tracked: objects.size, dropped: 0 },
    };
  }

  const pack: PackSummary = {
    id: "scripted",
    family: "scripted",
    version: "1",
    inputSize: 16,
    capabilities: { text: true, exemplars: true, points: true, maskSeed: true },
    provider: "none",
  };

  return {
    pack,
    calls,
    given,
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
    called: (call) =>
      new Promise((seen) => {
        if (calls.includes(call)) seen();
        else watchers.push({ call, seen });
      }),
    crash() {
      const lost = [...sessions.keys()];
      sessions.clear();
      restarts++;
      die(new EngineError("engine_restarted", "the process died"));
      death = newLife();
      for (const listener of listeners) listener(lost);
    },
    async openSession(sessionId) {
      sessions.set(sessionId, { objects: new Set(), concepts: [] });
      await enter(sessionId, "open");
      return { pack, defaultStart: "prompted" };
    },
    async prompt(sessionId, frame, prompt) {
      const { objects, concepts } = await enter(sessionId, "prompt", String(frame.index));
      if (prompt.kind === "concept") {
        concepts.push(prompt.text ?? "");
        objects.add(objects.size);
        return { output: show(frame.index, objects) };
      }
      const objectId = prompt.objectId ?? objects.size;
      objects.add(objectId);
      return { output: show(frame.index, objects), objectId };
    },
    async predict(sessionId, frame, { points, multimask }) {
      await enter(sessionId, "predict", String(frame.index));
      const mask = encodeMask(new Uint8Array(16).fill(1, 0, 4), 4, 4);
      const candidate = {
        mask,
        iou: 0.5,
        logits: Float32Array.of(1, -1, 1, -1),
        size: [2, 2] as [number, number],
      };
      return points.map(() => Array(multimask ? 3 : 1).fill(candidate));
    },
    async beginPropagation(sessionId, { reverse }) {
      await enter(sessionId, "begin", reverse ? "backward" : "forward");
      return { mode: "full" };
    },
    prepare: (_, frame) => void given.push(frame.index),
    async step(sessionId, frameIndex) {
      const { objects } = await enter(sessionId, "step", String(frameIndex));
      if (!given.includes(frameIndex)) throw new EngineError("internal", `frame ${frameIndex} was not given`);
      return [show(frameIndex, objects)];
    },
    async fetch(sessionId, frameIndex) {
      const { objects } = await enter(sessionId, "fetch", String(frameIndex));
      return show(frameIndex, objects);
    },
    async removeObject(sessionId, objectId) {
      const { objects } = await enter(sessionId, "remove", String(objectId));
      if (!objects.delete(objectId))
        throw new EngineError("object_not_found", `no object ${objectId}`, "obj_id");
    },
    async describeSession(sessionId) {
      const { objects, concepts } = await enter(sessionId, "describe");
      return { concepts, objectIds: [...objects] };
    },
    async resetSession(sessionId) {
      const session = await enter(sessionId, "reset");
      session.objects.clear();
      session.concepts = [];
    },
    async closeSession(sessionId) {
      if (sessions.delete(sessionId)) calls.push("close");
    },
    reload: async () => pack,
    onRestart: (listener) => void listeners.push(listener),
    stats: () => ({
      state: "ready",
      reason: null,
      frames,
      ortTimeMs: 0,
      restarts,
      workerPid: null,
      graphs: { detect: { runs: frames, ms: 500, memoryBytes: 4096 } },
    }),
    async close() {
      die(new EngineError("shutting_down", "the engine was closed"));
      sessions.clear();
      calls.push("engine closed");
    },
  };
}
