/** What the inference process does when it is asked: one pack, many sessions, a tracker for each. */
import type { CocoRle } from "../../protocol/rle.js";
import { renderMasks, type VideoSize } from "../../tracker/masks/render.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { openPack, type Pack } from "../packs/pack.js";
import {
  EngineError,
  type EngineFrame,
  type EngineVideo,
  type PackSummary,
  type SessionRules,
} from "./engine.js";
import { createFramesGiven, type FramesGiven } from "./frames-given.js";
import type { GraphCosts } from "./graph-costs.js";
import { type OpenGraphs, openGraphs } from "./graphs.js";
import type { LoadParams, MethodName, Params, Result } from "./rpc.js";
import { sessionPolicy } from "./session-policy.js";

export type EngineService = { [M in MethodName]: (params: Params<M>) => Promise<Result<M>> } & {
  costs(): GraphCosts;
};

/** A session, and the frames that it will be asked to step to. */
interface Open {
  session: TrackingSession;
  given: FramesGiven;
}

interface Loaded {
  pack: Pack;
  graphs: OpenGraphs;
}

export function createService(log: (level: "info" | "warn", message: string) => void): EngineService {
  const sessions = new Map<string, Open>();
  let loaded: Loaded | undefined;

  const model = (): Loaded => {
    if (!loaded) throw new EngineError("internal", "No model pack is loaded.");
    return loaded;
  };
  const open = (sessionId: string): Open => {
    const found = sessions.get(sessionId);
    if (!found) throw new EngineError("session_not_found", `There is no session "${sessionId}".`);
    return found;
  };
  const session = (sessionId: string): TrackingSession => open(sessionId).session;

  async function renderMaps(video: VideoSize, maps: readonly Float32Array[]) {
    const { graphs, pack } = model();
    const { m } = pack.manifest.geometry;
    const masks = await renderMasks(graphs.run, m, video, maps);
    return maps.map((logits, index) => {
      const size: [number, number] = [m, m];
      return { logits, size, mask: masks[index] as CocoRle };
    });
  }

  return {
    costs: () => loaded?.graphs.costs ?? {},
    async load(params) {
      loaded = await loadPack(params, log);
      return summarize(loaded);
    },
    async openSession({ sessionId, ...video }) {
      if (sessions.has(sessionId))
        throw new EngineError("session_exists", `The session "${sessionId}" is open.`);
      const { opened, rules } = newSession(model(), video);
      sessions.set(sessionId, { session: opened, given: createFramesGiven() });
      return rules;
    },
    async prompt({ sessionId, frame, prompt }) {
      const prompted = session(sessionId);
      checkFrame(frame, model().pack);
      // Before the tracker forgets anything for the sake of a phrase that cannot be read.
      if (prompt.kind === "concept" && prompt.text !== undefined) model().pack.tokenize?.(prompt.text);
      const { semanticLogits, ...answer } = await prompted.prompt(frame, prompt);
      const [semantic] = semanticLogits ? await renderMaps(prompted.video, [semanticLogits]) : [];
      return { ...answer, ...(semantic && { semantic }) };
    },
    async predict({ sessionId, frame, prompt }) {
      const { video, predict } = session(sessionId);
      checkFrame(frame, model().pack);
      const proposed = await predict(frame, prompt);
      const maps = await renderMaps(
        video,
        proposed.flat().map(({ maskLogits }) => maskLogits),
      );
      return proposed.map((candidates) =>
        candidates.map(({ iou }) => ({ iou, ...(maps.shift() as (typeof maps)[0]) })),
      );
    },
    async beginPropagation({ sessionId, pass }) {
      return session(sessionId).beginPropagation(pass);
    },
    async prepare({ sessionId, frame }) {
      const { session, given } = open(sessionId);
      checkFrame(frame, model().pack);
      given.give(frame);
      session.prepare(frame);
    },
    async step({ sessionId, frameIndex }) {
      const { session, given } = open(sessionId);
      return session.step(given.take(frameIndex));
    },
    async fetch({ sessionId, frameIndex }) {
      return session(sessionId).fetch(frameIndex);
    },
    async removeObject({ sessionId, objectId }) {
      if (session(sessionId).removeObject(objectId)) return;
      throw new EngineError("object_not_found", `There is no object ${objectId} in this session.`, "obj_id");
    },
    async describeSession({ sessionId }) {
      return session(sessionId).describe();
    },
    async resetSession({ sessionId }) {
      session(sessionId).reset();
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

function newSession(
  loaded: Loaded,
  { width, height, numFrames, policy: override }: EngineVideo,
): { opened: TrackingSession; rules: SessionRules } {
  const { pack, graphs } = loaded;
  const { geometry, bank, decode, capabilities } = pack.manifest;
  const tokenize = (phrase: string) => {
    if (!pack.tokenize)
      throw new EngineError("unsupported_by_pack", "This model pack does not read text.", "text");
    return pack.tokenize(phrase);
  };
  const policy = sessionPolicy(pack.manifest, override);
  const tracker = createVideoTracker({
    run: graphs.run,
    tokenize,
    geometry,
    bank,
    decode,
    capabilities,
    policy,
    numFrames,
    hasQueryOutput: graphs.outputs.detect?.includes("query") ?? false,
  });
  const video = { width, height };
  const opened = createTrackingSession({ tracker, policy, run: graphs.run, m: geometry.m, video, numFrames });
  return {
    opened,
    rules: { pack: summarize(loaded), defaultStart: policy.session.startsAtVisited ? "visited" : "prompted" },
  };
}

function checkFrame(frame: EngineFrame, { manifest }: Pack): void {
  const { S } = manifest.geometry;
  if (frame.rgb.length === S * S * 3) return;
  throw new EngineError("internal", `A frame must have ${S}x${S}x3 bytes; this one has ${frame.rgb.length}.`);
}
