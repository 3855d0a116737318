/** `masklet cvat-upload`, against a stand-in for CVAT. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tracksOf } from "../../clients/command/cvat-tracks.js";
import { encodeMask } from "../../protocol/index.js";
import { HEIGHT, WIDTH } from "../adapters/tools/clip.js";
import { type CvatQueue, startCvatQueue, TASK } from "../adapters/tools/cvat-queue.js";
import { callCommand } from "../helpers/command.js";
import { makeClip, mediaPath } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const FRAMES = 6;
let server: TestServer;
let cvat: CvatQueue;
let clip: string;

function maskOn(frame: number) {
  const bits = new Uint8Array(WIDTH * HEIGHT);
  // Gone on frame 3.
  if (frame !== 3)
    for (const row of [10, 11]) bits.fill(1, row * WIDTH + 20 + frame, row * WIDTH + 24 + frame);
  return encodeMask(bits, WIDTH, HEIGHT);
}

beforeAll(async () => {
  clip = await makeClip({ name: "upload.mp4", frames: FRAMES, width: WIDTH, height: HEIGHT });
  const drawObject = (_: number, frame: number) => ({
    mask: maskOn(frame),
    boxXywh: [0, 0, frame === 3 ? 0 : 1, frame === 3 ? 0 : 1] as [number, number, number, number],
  });
  server = await startTestServer({}, { engine: createScriptedEngine({ drawObject }) });
  // The stand-in reads no pictures for this command.
  cvat = await startCvatQueue(Array.from({ length: FRAMES }, () => clip));
});

afterAll(async () => {
  await server.close();
  await cvat.close();
});

beforeEach(() => {
  cvat.uploads.length = 0;
});

/** A session whose object has this name. */
async function trackedSession(name: string, fields: object = {}): Promise<string> {
  const client = await server.connect();
  const { session_id } = await client.expectResponse({
    type: "start_session",
    resource_path: clip,
    ...fields,
  });
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, text: name });
  await client.stream({ type: "propagate_in_video", session_id });
  await client.expectResponse({ type: "rename", session_id, obj_id: 0, name });
  return session_id as string;
}

const upload = (what: string, ...options: string[]) =>
  callCommand(["cvat-upload", what, "--task", String(TASK), "--cvat", cvat.url, ...options]);

const onServer = () => ["--server", server.url];

/** The points of the mask of a frame. */
const points = (frame: number) => [0, 8, 20 + frame, 10, 23 + frame, 11];

describe("masklet cvat-upload", () => {
  it("uploads the tracks of a session with the label of their name", async () => {
    const id = await trackedSession("square");
    const { status, stderr } = await upload(id, ...onServer());
    expect([status, stderr]).toEqual([0, `1 track in task ${TASK}.\n`]);
    const shape = (frame: number, from = frame) => ({
      ...{ type: "mask", frame, points: points(from), occluded: false },
      ...{ outside: frame !== from, attributes: [] },
    });
    expect(cvat.uploads).toEqual([
      {
        action: "create",
        tracks: [
          {
            ...{ label_id: 2, frame: 0, group: 0, source: "auto", attributes: [], elements: [] },
            shapes: [shape(0), shape(1), shape(2), shape(3, 2), shape(4), shape(5)],
          },
        ],
      },
    ]);
    expect(cvat.unknown).toEqual([]);
  });

  it("uploads the tracks of a session of a Python client, whose masks are binary", async () => {
    const id = await trackedSession("square", { mask_format: "binary" });
    const { status, stderr } = await upload(id, ...onServer());
    expect([status, stderr]).toEqual([0, `1 track in task ${TASK}.\n`]);
    expect(cvat.uploads[0].tracks[0].shapes[0].points).toEqual(points(0));
  });

  it("uploads a file of frames, and prints JSON; other objects get --label", async () => {
    const path = mediaPath("frames.jsonl");
    const lines = [0, 1].map((frame_index) =>
      JSON.stringify({
        ...{ type: "frame", frame_index, timestamp_us: 40_000 * frame_index },
        outputs: { out_obj_ids: [7], out_probs: [0.9], out_binary_masks: [maskOn(frame_index)] },
      }),
    );
    await writeFile(path, `${lines.join("\n")}\n`);
    const { status, stdout } = await upload(path, "--label", "square", "--json");
    expect([status, JSON.parse(stdout)]).toEqual([0, { task: TASK, tracks: 1 }]);
    const [track] = cvat.uploads[0].tracks;
    expect(track.label_id).toBe(2);
    expect(
      track.shapes.map(({ frame, outside }: { frame: number; outside: boolean }) => [frame, outside]),
    ).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ]);
    await upload(path);
    expect(cvat.uploads[1].tracks[0].label_id).toBe(1);
  });

  it.each<[string, () => Promise<string[]>, number, RegExp]>([
    [
      "a label of another task",
      async () => [await trackedSession("cat"), ...onServer(), "--label", "cat"],
      1,
      /^--label: expected one of red circle, square, got "cat"\.$/m,
    ],
    ["an unknown session", async () => ["none", ...onServer()], 1, /No session "none"/],
    [
      "a task that is no number",
      async () => ["none", "--task", "x"],
      2,
      /^--task: expected the number of a task, got "x"\.$/m,
    ],
    [
      "an address that is none",
      async () => ["none", "--cvat", "localhost"],
      2,
      /^--cvat: expected an address such as/m,
    ],
    [
      "a CVAT that does not run",
      async () => [await trackedSession("cat"), ...onServer(), "--cvat", "http://127.0.0.1:9"],
      1,
      /^--cvat: http:\/\/127\.0\.0\.1:9 cannot be reached\.$/m,
    ],
    [
      "a task that does not exist",
      async () => [await trackedSession("cat"), ...onServer(), "--task", "8"],
      1,
      /^CVAT answered with status 404: /m,
    ],
    [
      "a server that is no CVAT",
      async () => [await trackedSession("cat"), ...onServer(), "--cvat", server.http],
      1,
      /404|no CVAT/,
    ],
    [
      "a session without results",
      async () => {
        const client = await server.connect();
        const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
        return [session_id as string, ...onServer()];
      },
      1,
      /no stored results/,
    ],
  ])("%s", async (_name, given, status, sentence) => {
    const [what = "", ...options] = await given();
    const end = await upload(what, ...options);
    expect([end.status, end.stderr]).toEqual([status, expect.stringMatching(sentence)]);
    expect(cvat.uploads).toEqual([]);
  });

  it("refuses results of another video", async () => {
    const other = await startCvatQueue([clip]);
    try {
      const end = await upload(await trackedSession("square"), ...onServer(), "--cvat", other.url);
      expect(end.stderr).toMatch(`Task ${TASK} has 1 frames, and the results have ${FRAMES}.`);
      expect(other.uploads).toEqual([]);
    } finally {
      await other.close();
    }
  });
});

describe("the tracks", () => {
  const maskOf = (objectId: number) => ({ objectId, score: 1, mask: maskOn(0) });
  async function* framesOf(...seen: [frameIndex: number, ...ids: number[]][]) {
    for (const [frameIndex, ...ids] of seen) yield { frameIndex, masks: ids.map(maskOf) };
  }
  const outlineOf = async (frames: ReturnType<typeof framesOf>, count: number) =>
    (await tracksOf(frames, count, (id) => id)).map(({ label_id, frame, shapes }) => [
      label_id,
      frame,
      shapes.map((shape) => (shape.outside ? -shape.frame : shape.frame)).join(" "),
    ]);

  it("end where the object is gone, also between frames without results", async () => {
    expect(await outlineOf(framesOf([0, 1, 2], [1, 1], [4, 1]), 6)).toEqual([
      [1, 0, "0 1 -2 4 -5"],
      [2, 0, "0 -1"],
    ]);
  });

  it("have no end on the last frame of the task", async () => {
    expect(await outlineOf(framesOf([4, 1], [5, 1]), 6)).toEqual([[1, 4, "4 5"]]);
    expect(await outlineOf(framesOf(), 6)).toEqual([]);
  });
});
