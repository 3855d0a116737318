/** A session that continues from a snapshot returns exactly the same frames, with the embedded pack in ONNX Runtime. */
import { beforeAll, describe, expect, it } from "vitest";
import { type OpenGraphs, openGraphs } from "../../server/engine/graphs.js";
import { openPack, type Pack } from "../../server/packs/pack.js";
import type { PresetName } from "../../tracker/presets.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import { createTrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { compactPackDir } from "../helpers/tiny-pack.js";
import { answerTo, detached, firstDifference, idsShown, pass, type Request } from "./requests.js";

const FRAMES = 16;
const video = { width: 96, height: 72 };

let pack: Pack;
let graphs: OpenGraphs;

beforeAll(async () => {
  pack = await openPack(compactPackDir);
  graphs = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn: () => {} });
});

function open(preset: PresetName, from?: SessionSnapshot) {
  const { geometry, bank, decode, capabilities, detect } = pack.manifest;
  const policy = resolvePolicy({ preset, detect });
  const tokenize = pack.tokenize as NonNullable<Pack["tokenize"]>;
  const tracker = createVideoTracker({
    run: graphs.run,
    tokenize,
    geometry,
    bank,
    decode,
    capabilities,
    policy,
    numFrames: FRAMES,
  });
  const parts = { tracker, policy, run: graphs.run, m: geometry.m, video, numFrames: FRAMES };
  return createTrackingSession(parts, from);
}

/** Two red circles that cross and a blue square, on grey. */
function frameAt(index: number) {
  const { S } = pack.manifest.geometry;
  const rgb = new Uint8Array(S * S * 3).fill(120);
  const paint = (colour: readonly number[], isInside: (x: number, y: number) => boolean) => {
    for (let y = 0; y < S; y++)
      for (let x = 0; x < S; x++) if (isInside(x / S, y / S)) rgb.set(colour, (y * S + x) * 3);
  };
  const circle = (cx: number, cy: number) => (x: number, y: number) => Math.hypot(x - cx, y - cy) < 0.11;
  paint([40, 60, 210], (x, y) => Math.abs(x - 0.75) < 0.1 && Math.abs(y - 0.8 + 0.02 * index) < 0.1);
  paint([215, 30, 30], circle(0.15 + 0.045 * index, 0.3));
  paint([215, 40, 30], circle(0.85 - 0.045 * index, 0.38));
  return { index, rgb };
}

const requests: Request[] = [
  { do: "phrase", frame: 0, text: "red circle" },
  ...pass(0, 5),
  { do: "click", frame: 5, point: [0.75, 0.7], objectId: 20 },
  { do: "click", frame: 5, point: [0.72, 0.68], objectId: 20, keep: true },
  ...pass(5, 12).slice(0, 4),
  { do: "remove", objectId: 1 },
  { do: "phrase", frame: 8, text: "blue square" },
  ...pass(8, 15).slice(0, 5),
  ...pass(7, 3, 8),
];
/**
 * Indices of the requests before which snapshots are taken: in the first pass, between clicks, after the removal, in a later
 * pass.
 */
const places = [3, 9, 12, 15, 19];

describe.each(["compact", "masklet", "sam3"] as const)(
  "a session of the embedded pack under %s",
  (preset) => {
    it("continues from a snapshot with exactly the same frames", async () => {
      const session = open(preset);
      const answers: unknown[] = [];
      const snapshots = new Map<number, SessionSnapshot>();
      for (const [place, request] of requests.entries()) {
        if (places.includes(place)) snapshots.set(place, detached(session));
        answers.push(await answerTo(session, frameAt, request));
      }
      expect([...idsShown(answers)]).toEqual(expect.arrayContaining([0, 20]));
      for (const [place, snapshot] of snapshots) {
        const restored = open(preset, snapshot);
        // Enough requests to include waiting frames, a clicked object and a new phrase.
        const later = requests.slice(place, place + 8);
        for (const [offset, request] of later.entries()) {
          const answer = await answerTo(restored, frameAt, request);
          const where = `snapshot before request ${place}, answer ${place + offset}`;
          expect(firstDifference(answer, answers[place + offset], where)).toBeNull();
        }
      }
      // The last snapshot continues to the end. Then the whole states are equal, including memories and hidden objects.
      const last = open(preset, snapshots.get(places.at(-1) as number));
      for (const request of requests.slice(places.at(-1))) await answerTo(last, frameAt, request);
      expect(firstDifference(last.snapshot(), session.snapshot())).toBeNull();
    }, 240_000);
  },
);
