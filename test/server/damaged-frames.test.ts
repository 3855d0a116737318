/** `damaged` as a client receives it, and the picture that stands in. */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RawClient } from "../helpers/client.js";
import { makeClip, mediaPath } from "../helpers/media.js";
import { expectOneNumbering } from "../helpers/numbering.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let client: RawClient;
let resource_path: string;

/** Frames 0, 1 and 5 of 8 cannot be decoded: without its first bytes, the decoder skips a picture of Motion JPEG. */
async function damagedClip(): Promise<string> {
  const encoder = ["-c:v", "mjpeg", "-q:v", "2"];
  const bytes = await readFile(await makeClip({ name: "independent.mkv", frames: 8, encoder }));
  let start = -1;
  for (let n = 0; n < 8; n++) {
    start = bytes.indexOf("ffd8ff", start + 1, "hex");
    if ([0, 1, 5].includes(n)) bytes.fill(0, start, start + 200);
  }
  const path = mediaPath("damaged.mkv");
  await writeFile(path, bytes);
  return path;
}

beforeAll(async () => {
  resource_path = await damagedClip();
  server = await startTestServer({}, { engine: createScriptedEngine() });
  client = await server.connect();
  await client.expectResponse({ type: "start_session", session_id: "s", resource_path });
});

afterAll(() => server.close());

it("a damaged picture is replaced by the one before it, at the start by the one after it", async () => {
  const { numbers, damaged } = await expectOneNumbering(resource_path, [0, 1, 2, 3, 4, 5, 6]);
  expect(numbers).toEqual([2, 2, 2, 3, 4, 4, 6, 7]);
  expect(damaged).toEqual([0, 1, 5]);
});

it("the frames of a stream and the answers to prompts report it", async () => {
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  const readable = await client.expectResponse({
    type: "add_prompt",
    session_id: "s",
    frame_index: 2,
    ...click,
  });
  expect(readable).not.toHaveProperty("damaged");
  const answer = await client.expectResponse({
    type: "add_prompt",
    session_id: "s",
    frame_index: 5,
    ...click,
  });
  expect(answer).toMatchObject({ damaged: true });
  const { frames } = await client.stream({
    ...{ type: "propagate_in_video", session_id: "s", propagation_direction: "both", start_frame_index: 2 },
  });
  const damaged = frames.flatMap((frame) => (frame.damaged ? [frame.frame_index] : []));
  expect(damaged.sort()).toEqual([0, 1, 5]);
});
