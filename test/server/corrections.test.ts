/** Clicks on tracked frames over a real socket, with the real model: they refine the mask that is shown there. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CocoRle,
  decodeMask,
  encodeMask,
  type FrameMessage,
  type Outputs,
} from "../../protocol/index.js";
import type { RawClient } from "../helpers/client.js";
import { makeClip } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const WIDTH = 96;
const HEIGHT = 64;
const FRAMES = 12;
/** The tracker has no memory of this frame after a pass. */
const CLICKED = 5;

let server: TestServer;
let client: RawClient;
let clip: string;

beforeAll(async () => {
  server = await startTestServer();
  client = await server.connect();
  clip = await makeClip({ name: "clip.mp4", frames: FRAMES });
}, 180_000);

afterAll(() => server.close());

/** A mask of 24 by 24 pixels. */
function square(left: number): CocoRle {
  const bits = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 20; y < 44; y++) bits.fill(1, y * WIDTH + left, y * WIDTH + left + 24);
  return encodeMask(bits, WIDTH, HEIGHT);
}

const pixelsOf = ({ out_binary_masks }: Outputs) => decodeMask(out_binary_masks?.[0] as CocoRle).data;

/** The share of a mask inside another one. */
function shareInside(mask: Uint8Array, other: Uint8Array): number {
  const area = mask.reduce((sum, bit) => sum + bit, 0);
  return mask.reduce((sum, bit, at) => sum + (bit & (other[at] as number)), 0) / area;
}

/** The middle of a mask, relative to the frame. */
function middle(mask: Uint8Array): [number, number] {
  let [sumX, sumY, area] = [0, 0, 0];
  mask.forEach((bit, at) => {
    sumX += bit * ((at % WIDTH) + 0.5);
    sumY += bit * (Math.floor(at / WIDTH) + 0.5);
    area += bit;
  });
  return [sumX / area / WIDTH, sumY / area / HEIGHT];
}

test("a first click on a tracked frame refines the mask that is shown there, not what the tracker would find now", async () => {
  const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
  const prompt = { type: "add_prompt", session_id, obj_id: 1 };
  await client.expectResponse({ ...prompt, frame_index: 0, mask: { rle: square(8) } });
  const { frames } = await client.stream({ type: "propagate_in_video", session_id });
  const shown = pixelsOf((frames[CLICKED] as FrameMessage).outputs);
  expect(shown.reduce((sum, bit) => sum + bit, 0)).toBeGreaterThan(100);
  // From now on the object is tracked elsewhere; the clicked frame still shows the old mask.
  await client.expectResponse({ ...prompt, frame_index: 0, mask: { rle: square(64) } });

  const click = { ...prompt, frame_index: CLICKED, points: [middle(shown)] };
  const more = await client.expectResponse({ ...click, point_labels: [1] });
  expect(shareInside(shown, pixelsOf(more.outputs as Outputs))).toBeGreaterThan(0.9);
  await client.expectResponse({ type: "undo", session_id });
  const less = await client.expectResponse({ ...click, point_labels: [0] });
  expect(shareInside(pixelsOf(less.outputs as Outputs), shown)).toBeGreaterThan(0.9);
  await client.expectResponse({ type: "close_session", session_id });
});
