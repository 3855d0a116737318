/** What the inference process does when it is asked: one pack, many sessions, a tracker for each. */
import { createVideoTracker, type VideoTracker } from "../../tracker/video-tracker.js";
import { openPack, type Pack } from "../packs/pack.js";
import { EngineError, type EngineFrame, type PackSummary } from "./engine.js";
import { type OpenGraphs, openGraphs } from "./onnx.js";
import { renderFrame, type VideoSize } from "./render.js";
import type { GraphTiming, LoadParams, MethodName, Params, Result } from "./rpc.js";

export type EngineService = { [M in MethodName]: (params: Params<M>) => Promise<Result<M>> } & {
  timing(): GraphTiming;
};

interface Loaded {
  pack: Pack;
  graphs: OpenGraphs;
}

interface Session {
  video: VideoSize;
  tracker: VideoTracker;
}

export function createService(log: (level: "info" | "warn", message: string) => void): EngineService {
  const sessions = new Map<string, Session>();
  let loaded: Loaded | undefined;

  const model = (): Loaded => {
    if (!loaded) throw new EngineError("internal", "No model pack is loaded.");
    return loaded;
  };
  const session = (sessionId: string): Session => {
    const found = sessions.get(sessionId);
    if (!found) throw new EngineError("session_not_found", `There is no session "${sessionId}".`);
    return found;
  };
  const render = (video: VideoSize, frame: EngineFrame, result: Parameters<typeof renderFrame>[4]) => {
    const { graphs, pack } = model();
    return renderFrame(graphs.run, pack.manifest.geometry.m, video, frame.index, result);
  };

  return {
    timing: () => loaded?.graphs.timing ?? {},
    async load(params) {
      loaded = await loadPack(params, log);
      return summarize(loaded);
    },
    async openSession({ sessionId, width, height, numFrames }) {
      if (sessions.has(sessionId))
        throw new EngineError("session_exists", `The session "${sessionId}" is open.`);
      sessions.set(sessionId, { video: { width, height }, tracker: newTracker(model(), numFrames) });
    },
    async prompt({ sessionId, frame, prompt }) {
      const { tracker, video } = session(sessionId);
      checkFrame(frame, model().pack);
      // Before the tracker forgets anything for the sake of a phrase that cannot be read.
      if (prompt.kind === "concept" && prompt.text !== undefined) model().pack.tokenize?.(prompt.text);
      const { result, objectId } = await tracker.prompt(frame, prompt);
      const output = await render(video, frame, result);
      return objectId === undefined ? { output } : { output, objectId };
    },
    async beginPropagation({ sessionId, reverse }) {
      session(sessionId).tracker.beginPropagation(reverse);
    },
    async step({ sessionId, frame }) {
      const { tracker, video } = session(sessionId);
      checkFrame(frame, model().pack);
      return render(video, frame, await tracker.step(frame));
    },
    async removeObject({ sessionId, objectId }) {
      if (session(sessionId).tracker.removeObject(objectId)) return;
      throw new EngineError("object_not_found", `There is no object ${objectId} in this session.`, "obj_id");
    },
    async describeSession({ sessionId }) {
      const { tracker } = session(sessionId);
      return { concepts: tracker.concepts(), objectIds: tracker.objectIds() };
    },
    async resetSession({ sessionId }) {
      session(sessionId).tracker.reset();
    },
    async closeSession({ sessionId }) {
      sessions.delete(sessionId);
    },
  };
}

async function loadPack(
  params: LoadParams,
  log: (level: "info" | "warn", message: string) => void,
): Promise<Loaded> {
  try {
    const pack = await openPack(params.packDir);
    const graphs = await openGraphs(pack, { ...params, warn: (message) => log("warn", message) });
    const placed = Object.entries(graphs.providers).map(([role, provider]) => `${role} on ${provider}`);
    log("info", `graphs opened: ${placed.join(", ")}`);
    return { pack, graphs };
  } catch (error) {
    throw new EngineError(
      "engine_failed",
      `The model pack in ${params.packDir} cannot be used: ${(error as Error).message}`,
    );
  }
}

function summarize({ pack, graphs }: Loaded): PackSummary {
  const { id, family, version, geometry, capabilities } = pack.manifest;
  const { text, exemplars, points, maskSeed } = capabilities;
  // Rendering is on the CPU whatever the model is on, and says nothing about the model.
  const used = Object.entries(graphs.providers).filter(([role]) => role !== "render");
  const provider = [...new Set(used.map(([, name]) => name))].join("+");
  return {
    id,
    family,
    version,
    inputSize: geometry.S,
    capabilities: { text, exemplars, points, maskSeed },
    provider,
  };
}

function newTracker({ pack, graphs }: Loaded, numFrames: number | undefined): VideoTracker {
  const { geometry, bank, detect, capabilities, preset } = pack.manifest;
  const tokenize = (phrase: string) => {
    if (!pack.tokenize)
      throw new EngineError("unsupported_by_pack", "This model pack does not read text.", "text");
    return pack.tokenize(phrase);
  };
  return createVideoTracker({
    run: graphs.run,
    tokenize,
    geometry,
    bank,
    detect,
    capabilities,
    preset,
    numFrames,
  });
}

function checkFrame(frame: EngineFrame, { manifest }: Pack): void {
  const { S } = manifest.geometry;
  if (frame.rgb.length === S * S * 3) return;
  throw new EngineError("internal", `A frame must have ${S}x${S}x3 bytes; this one has ${frame.rgb.length}.`);
}
