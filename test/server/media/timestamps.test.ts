/** `timestamp_us` as a client receives it, on a clip whose first frame is not at the start of the file. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RawClient } from "../../helpers/client.js";
import { makeLateVideo } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

let server: TestServer;
let client: RawClient;

beforeAll(async () => {
  server = await startTestServer({}, { engine: createScriptedEngine() });
  client = await server.connect();
});

afterAll(() => server.close());

it("counts from the start of the container, not from the first frame", async () => {
  const session_id = "s";
  const resource_path = await makeLateVideo("late-socket.mp4", 4);
  await client.expectResponse({ type: "start_session", session_id, resource_path });
  await client.expectResponse({
    ...{ type: "add_prompt", session_id, frame_index: 0 },
    ...{ points: [[0.5, 0.5]], point_labels: [1] },
  });
  const { frames } = await client.stream({
    ...{ type: "propagate_in_video", session_id, propagation_direction: "forward" },
  });
  expect(frames.map(({ frame_index, timestamp_us }) => [frame_index, timestamp_us])).toEqual([
    [0, 400_000],
    [1, 440_000],
    [2, 480_000],
    [3, 520_000],
  ]);
});
