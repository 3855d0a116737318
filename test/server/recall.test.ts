/** A pass that starts inside a tracked range builds on it: the embedded pack, on two discs that look alike. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeMask, type StreamRequest, type VideoFacts } from "../../protocol/index.js";
import { createEngine, type Engine } from "../../server/engine/index.js";
import { createSessionResults } from "../../server/results/session-results.js";
import { createSession, type Session } from "../../server/session.js";
import { createMemoryMedia } from "../helpers/memory-media.js";
import { compactPackDir } from "../helpers/tiny-pack.js";

const FRAMES = 26;
const video = { width: 256, height: 192 };
const RADIUS = 22;

/** Two discs that exchange their places within 22 frames, at a distance from each other. */
function centres(frame: number): [number, number][] {
  const way = Math.min(frame / 22, 1);
  const x = way * way * (3 - 2 * way) * 190;
  return [
    [30 + x, 60],
    [226 - x, 132],
  ];
}

function paint(frame: number, { width, height }: { width: number; height: number }): Uint8Array {
  const rgb = new Uint8Array(width * height * 3);
  const discs = centres(frame);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y] = [((column + 0.5) / width) * video.width, ((row + 0.5) / height) * video.height];
      const ground = 110 + 25 * Math.sin(x / 17) + 20 * Math.cos(y / 13);
      const isInside = discs.some(([cx, cy]) => Math.hypot(x - cx, y - cy) < RADIUS);
      const colour = isInside ? [200, 60, 40 + 40 * Math.sin(x / 3)] : [ground, ground * 0.95, ground * 0.9];
      rgb.set(colour, (row * width + column) * 3);
    }
  }
  return rgb;
}

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ packDir: compactPackDir, threads: 1 });
});
afterAll(() => engine.close());

async function open() {
  const media = createMemoryMedia(FRAMES, paint);
  const opened = await engine.open({ ...video, numFrames: FRAMES });
  const results = createSessionResults({
    numFrames: () => FRAMES,
    maxBytes: 1e8,
    rollback: (to) => opened.rollback({ to }),
  });
  const facts = { session_id: "s", num_frames: FRAMES, ...video } as VideoFacts;
  return { media, session: createSession({ facts, media, engine: opened, results }) };
}

const toBox = ([x, y]: [number, number]): [number, number, number, number] => [
  (x - RADIUS) / video.width,
  (y - RADIUS) / video.height,
  (2 * RADIUS) / video.width,
  (2 * RADIUS) / video.height,
];

async function promptBoth(session: Session, frame_index: number) {
  for (const [obj_id, centre] of centres(frame_index).entries()) {
    await session.addPrompt({
      type: "add_prompt",
      session_id: "s",
      frame_index,
      obj_id,
      bounding_boxes: [toBox(centre)],
      rel_coordinates: true,
      clear_old_points: true,
      clear_old_boxes: true,
      output_prob_thresh: 0,
      replace: false,
      track_others: true,
      semantic_map: false,
    });
  }
}

/** For each frame, whether both masks cover the middle of their own disc. */
async function propagate(session: Session, direction: "forward" | "backward", start: number) {
  const right: boolean[] = [];
  for await (const { frame_index, outputs } of session.propagate(request(direction, start))) {
    right.push(
      centres(frame_index).every(([x, y], id) => {
        const mask = (outputs.out_binary_masks ?? [])[outputs.out_obj_ids.indexOf(id)];
        return mask !== undefined && decodeMask(mask).data[Math.floor(y) * video.width + Math.floor(x)] === 1;
      }),
    );
  }
  return right;
}

/** A propagation over the first frames. */
async function cancelAfter(session: Session, frames: number) {
  let count = 0;
  for await (const _ of session.propagate(request("forward", 0))) if (++count === frames) break;
}

const request = (direction: "forward" | "backward", start: number): StreamRequest => ({
  type: "propagate_in_video",
  session_id: "s",
  propagation_direction: direction,
  start_frame_index: start,
  scope: "all",
  output_prob_thresh: 0,
});

const allRight = (count: number) => Array(count).fill(true);

test("a second pass from the middle stays on its objects", async () => {
  const { media, session } = await open();
  await promptBoth(session, 0);
  expect(await propagate(session, "forward", 0)).toEqual(allRight(FRAMES));

  media.decoded.length = 0;
  expect(await propagate(session, "forward", 20)).toEqual(allRight(FRAMES - 20));
  // The two frames that the model uses, once.
  expect(media.decoded.slice(0, 3)).toEqual([18, 19, 20]);

  media.decoded.length = 0;
  expect(await propagate(session, "backward", 20)).toEqual(allRight(20));
  // The tracker still knows frames 22 to 25, which it tracked last.
  expect(media.decoded.slice(0, 3)).toEqual([21, 20, 19]);
  await session.close();
});

test("a pass that continues where the last one ended recalls nothing", async () => {
  const { media, session } = await open();
  await promptBoth(session, 0);
  await cancelAfter(session, 12);
  media.decoded.length = 0;
  expect(await propagate(session, "forward", 12)).toEqual(allRight(FRAMES - 12));
  expect(media.decoded[0]).toBe(12);

  // Undo drops the memories of tracked frames; the next pass recalls them.
  await promptBoth(session, 5);
  for (let step = 0; step < 2; step++) await session.stepThroughEdits("undo");
  media.decoded.length = 0;
  expect(await propagate(session, "forward", 20)).toEqual(allRight(FRAMES - 20));
  expect(media.decoded.slice(0, 3)).toEqual([18, 19, 20]);
  await session.close();
});
