/** Tracking sessions of the embedded pack, without a server, over frames with two red circles and a blue square. */
import type { RunGraph } from "../../detector/graph.js";
import { type OpenGraphs, openGraphs } from "../../server/engine/graphs.js";
import { openPack, type Pack } from "../../server/packs/pack.js";
import type { VideoSize } from "../../tracker/masks/render.js";
import type { PresetName } from "../../tracker/presets.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { compactPackDir } from "./tiny-pack.js";

export interface CompactPack {
  pack: Pack;
  graphs: OpenGraphs;
}

export async function openCompactPack(): Promise<CompactPack> {
  const pack = await openPack(compactPackDir);
  const graphs = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn: () => {} });
  return { pack, graphs };
}

export interface SessionOptions {
  preset: PresetName;
  video: VideoSize;
  numFrames: number;
  from?: SessionSnapshot | undefined;
  /** Runs the graphs; default: those of the pack. */
  run?: RunGraph;
}

export function openCompactSession(
  { pack, graphs }: CompactPack,
  { preset, video, numFrames, from, run = graphs.run }: SessionOptions,
): TrackingSession {
  const { geometry, bank, decode, capabilities, detect } = pack.manifest;
  const policy = resolvePolicy({ preset, detect });
  const tokenize = pack.tokenize as NonNullable<Pack["tokenize"]>;
  const frameAspect = video.width / video.height;
  const options = { run, tokenize, geometry, bank, decode, capabilities, policy, numFrames, frameAspect };
  const tracker = createVideoTracker(options);
  return createTrackingSession({ tracker, policy, run, m: geometry.m, video, numFrames }, from);
}

/** Positions of the first circle, 0..1; its radius is 0.11. */
export const circleAt = (index: number) => [0.15 + 0.045 * index, 0.3] as const;
/** Position of the centre of the square, 0..1; its side is 0.2. */
export const squareAt = (index: number) => [0.75, 0.8 - 0.02 * index] as const;

/** Two red circles that cross and a blue square, on grey. */
export function circlesFrame({ pack }: CompactPack, index: number) {
  const { S } = pack.manifest.geometry;
  const rgb = new Uint8Array(S * S * 3).fill(120);
  const paint = (colour: readonly number[], isInside: (x: number, y: number) => boolean) => {
    for (let y = 0; y < S; y++)
      for (let x = 0; x < S; x++) if (isInside(x / S, y / S)) rgb.set(colour, (y * S + x) * 3);
  };
  const circle =
    ([cx, cy]: readonly [number, number]) =>
    (x: number, y: number) =>
      Math.hypot(x - cx, y - cy) < 0.11;
  const [squareX, squareY] = squareAt(index);
  paint([40, 60, 210], (x, y) => Math.abs(x - squareX) < 0.1 && Math.abs(y - squareY) < 0.1);
  paint([215, 30, 30], circle(circleAt(index)));
  paint([215, 40, 30], circle([0.85 - 0.045 * index, 0.38]));
  return { index, rgb };
}
