/** `masklet export`: from a file of frames, and from a session of a running server. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeMask } from "../../protocol/index.js";
import { unzip } from "../helpers/archives.js";
import { callCommand } from "../helpers/command.js";
import { makeClip, mediaDirectory, mediaPath, openInTest } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const [WIDTH, HEIGHT] = [96, 64];
let clip: string;
let frames: string;
let server: TestServer;

const mask = (frame: number) =>
  encodeMask(
    Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) =>
      at % WIDTH < 20 + frame && at > 20 * WIDTH ? 1 : 0,
    ),
    WIDTH,
    HEIGHT,
  );

const line = (frame: number) =>
  JSON.stringify({
    type: "frame",
    frame_index: frame,
    timestamp_us: frame * 40_000,
    outputs: {
      out_obj_ids: [3],
      out_probs: [0.5],
      out_boxes_xywh: [[0, 0, 0.5, 0.5]],
      out_binary_masks: [mask(frame)],
      out_states: [
        {
          obj_id: 3,
          state: "present",
          score: 1,
          prompt: { kind: "concept", frame_index: 0, concept: "dog" },
          suspect: null,
        },
      ],
      frame_stats: null,
    },
  });

beforeAll(async () => {
  clip = await makeClip({ name: "export-command.mp4", frames: 5 });
  frames = mediaPath("frames.jsonl");
  // In the order of a propagation both ways, and with a frame that was computed twice.
  const lines = [2, 3, 4, 1, 0, 2].map(line);
  await writeFile(frames, `${lines.join("\n")}\n`);
  server = await startTestServer();
});

afterAll(() => server.close());

const out = (name: string) => join(mediaDirectory(), name);

test("a file of frames becomes COCO", async () => {
  const { status, stderr } = await callCommand([
    "export",
    frames,
    "--format",
    "coco",
    "--out",
    out("a.json"),
  ]);
  expect([status, stderr]).toEqual([0, `${out("a.json")}\n`]);
  const file = JSON.parse(await readFile(out("a.json"), "utf8"));
  expect(file.images.map(({ frame_index }: { frame_index: number }) => frame_index)).toEqual([0, 1, 2, 3, 4]);
  expect(file.categories).toMatchObject([{ name: "dog" }]);
  expect(file.annotations[4]).toMatchObject({ track_id: 3, segmentation: mask(4) });
});

test("with its video, a file of frames becomes an overlay of the selected frames", async () => {
  const target = out("a.mp4");
  const args = ["export", frames, "--format", "overlay", "--video", clip, "--frames", "1-3", "--out", target];
  expect((await callCommand(args)).status).toBe(0);
  const media = await openInTest(target);
  expect(media.facts).toMatchObject({ width: WIDTH, height: HEIGHT, numFrames: 3 });
});

test("a session of a server becomes a file of its own name in any format", async () => {
  const post = async (path: string, body: object) => {
    const response = await fetch(`${server.http}/v1/${path}`, { method: "POST", body: JSON.stringify(body) });
    return response.text();
  };
  const { session_id } = JSON.parse(
    await post("handle_request", { type: "start_session", resource_path: clip }),
  ) as { session_id: string };
  await post("handle_request", { type: "add_prompt", session_id, frame_index: 0, mask: { rle: mask(0) } });
  await post("handle_stream_request", { type: "propagate_in_video", session_id });
  for (const [format, name] of [
    ["cvat", "s.xml"],
    ["overlay", "s.mp4"],
    ["cutout-png", "s.zip"],
  ] as const) {
    const args = ["export", session_id, "--format", format, "--server", server.url, "--out", out(name)];
    const { status, stderr } = await callCommand(args);
    expect([status, stderr]).toEqual([0, `${out(name)}\n`]);
  }
  expect(await readFile(out("s.xml"), "utf8")).toContain("<name>export-command</name>");
  expect((await openInTest(out("s.mp4"))).facts.numFrames).toBe(5);
  const cutouts = await unzip(await readFile(out("s.zip")));
  expect([...cutouts.keys()]).toContain("object_0/00000.png");
});

test.each([
  [["frames.jsonl", "--format", "nosuch"], 2, /^format: expected one of coco, .*got "nosuch"\.\n$/],
  [["frames.jsonl", "--format", "coco", "--option", "masks"], 2, /^--option: expected NAME=VALUE/],
  [["frames.jsonl", "--format", "coco", "--option", "masks=png"], 2, /^masks: expected "rle" or "polygons"/],
  [["frames.jsonl", "--format", "overlay"], 2, /^--video: expected the video of the frames/],
  [["frames.jsonl", "--format", "coco", "--objects", "4"], 1, /^objects: no object 4; there are 3\.\n$/],
  [
    ["frames.jsonl", "--format", "coco", "--server", "ws://127.0.0.1:1"],
    2,
    /^--server: expected only with a session/,
  ],
  [["broken.jsonl", "--format", "coco"], 1, /broken\.jsonl, line 2: expected JSON\.\n$/],
  [["mixed.jsonl", "--format", "coco"], 1, /mixed\.jsonl, line 2: expected masks of 96x64, got 4x4\.\n$/],
  [
    ["none", "--format", "coco", "--server", "ws://127.0.0.1:1"],
    1,
    /^--server: ws:\/\/127\.0\.0\.1:1 cannot be reached/,
  ],
])("%j fails with a sentence", async (args, status, message) => {
  await writeFile(mediaPath("broken.jsonl"), `${line(0)}\n{"frame`);
  const small = line(1).replaceAll(JSON.stringify(mask(1)), '{"size":[4,4],"counts":"`0"}');
  await writeFile(mediaPath("mixed.jsonl"), `${line(0)}\n${small}\n`);
  const [what = "", ...rest] = args as string[];
  const path = what.endsWith(".jsonl") ? mediaPath(what) : what;
  const ended = await callCommand(["export", path, ...rest]);
  expect(ended.stderr).toMatch(message);
  expect(ended.status).toBe(status);
});
