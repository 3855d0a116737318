/** Masks as prompts over a real socket, with the real model. */
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CocoRle, encodeMask, type FrameMessage, type Outputs } from "../../protocol/index.js";
import type { Fields, RawClient } from "../helpers/client.js";
import { makeClip } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let client: RawClient;
let clip: string;

beforeAll(async () => {
  server = await startTestServer();
  client = await server.connect();
  clip = await makeClip({ name: "clip.mp4", frames: 6 });
}, 180_000);

afterAll(() => server.close());

const WIDTH = 96;
const HEIGHT = 64;
/** A triangle with its right angle at the top left. */
const bits = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
  const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
  return x >= 20 && y >= 10 && x - 20 + y - 10 < 30 ? 1 : 0;
});
const rle: CocoRle = encodeMask(bits, WIDTH, HEIGHT);
const png = () =>
  sharp(
    bits.map((bit) => bit * 255),
    { raw: { width: WIDTH, height: HEIGHT, channels: 1 } },
  )
    .png()
    .toBuffer();
const polygon = [20, 10, 50.5, 10, 20, 40.5];

async function open(): Promise<string> {
  const answer = await client.expectResponse({ type: "start_session", resource_path: clip });
  return answer.session_id as string;
}

const maskOf = ({ out_obj_ids, out_binary_masks }: Outputs, id: unknown) =>
  out_binary_masks?.[out_obj_ids.indexOf(id as number)];

test.each<[string, () => Promise<Fields>]>([
  ["run lengths", async () => ({ rle })],
  ["a PNG", async () => ({ png: (await png()).toString("base64") })],
  ["polygons", async () => ({ polygons: [polygon] })],
])("a mask as %s is shown unchanged on its frame, in the answer and in a stream", async (_name, mask) => {
  const session_id = await open();
  const prompt = { type: "add_prompt", session_id, frame_index: 2, mask: await mask() };
  const answer = await client.expectResponse(prompt);
  expect(maskOf(answer.outputs as Outputs, answer.obj_id)).toEqual(rle);
  const { frames } = await client.stream({ type: "propagate_in_video", session_id });
  expect(frames.map(({ frame_index }) => frame_index)).toEqual([2, 3, 4, 5, 1, 0]);
  expect(maskOf((frames[0] as FrameMessage).outputs, answer.obj_id)).toEqual(rle);
  await client.expectResponse({ type: "close_session", session_id });
});

test("a mask corrects the object of its obj_id, and clicks refine it", async () => {
  const session_id = await open();
  const first = { type: "add_prompt", session_id, frame_index: 0, points: [[0.5, 0.5]], point_labels: [1] };
  const { obj_id } = await client.expectResponse(first);
  const on = { type: "add_prompt", session_id, frame_index: 3, obj_id };
  const corrected = await client.expectResponse({ ...on, mask: { rle } });
  expect(maskOf(corrected.outputs as Outputs, obj_id)).toEqual(rle);
  const refined = await client.expectResponse({ ...on, points: [[0.3, 0.3]], point_labels: [0] });
  expect(maskOf(refined.outputs as Outputs, obj_id)).not.toEqual(rle);
  expect(await client.expectResponse({ type: "get_session", session_id })).toMatchObject({
    obj_ids: [obj_id],
  });
});
