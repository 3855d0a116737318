/** A session that continues from a snapshot returns exactly the same frames, with the embedded pack in ONNX Runtime. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeMask } from "../../protocol/rle.js";
import type { PresetName } from "../../tracker/presets.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import {
  type CompactPack,
  circlesFrame,
  openCompactPack,
  openCompactSession,
} from "../helpers/compact-session.js";
import { answerTo, detached, firstDifference, idsShown, pass, type Request } from "./requests.js";

const FRAMES = 16;
const video = { width: 96, height: 72 };

let compact: CompactPack;

beforeAll(async () => {
  compact = await openCompactPack();
});

const open = (preset: PresetName, from?: SessionSnapshot) =>
  openCompactSession(compact, { preset, video, numFrames: FRAMES, from });
const frameAt = (index: number) => circlesFrame(compact, index);

const given = encodeMask(
  Uint8Array.from({ length: 96 * 72 }, (_, at) => (at % 96 > 66 && at % 96 < 78 && at / 96 > 44 ? 1 : 0)),
  96,
  72,
);

const requests: Request[] = [
  { do: "phrase", frame: 0, text: "red circle" },
  ...pass(0, 5),
  { do: "click", frame: 5, point: [0.75, 0.7], objectId: 20 },
  { do: "click", frame: 5, point: [0.72, 0.68], objectId: 20, keep: true },
  { do: "mask", frame: 5, mask: given, objectId: 30 },
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
const places = [3, 9, 13, 16, 20];

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
