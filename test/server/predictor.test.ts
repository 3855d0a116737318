/** The predictor as a library, with the real model. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPredictor, type Predictor, ProtocolError } from "../../server/index.js";
import { ffmpegChildren, makeClip } from "../helpers/media.js";
import { isRunning } from "../helpers/processes.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { stableValue, until } from "../helpers/settle.js";

let predictor: Predictor;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "library.mp4", frames: 100 });
  predictor = createPredictor({ logLevel: "silent" });
});

afterAll(() => predictor.close());

async function openClicked(): Promise<string> {
  const { session_id } = await predictor.handleRequest({ type: "start_session", resource_path: clip });
  const click = { points: [[0.5, 0.5] as [number, number]], point_labels: [1 as const] };
  const answer = await predictor.handleRequest({ type: "add_prompt", session_id, frame_index: 0, ...click });
  expect(answer.obj_id).toBe(0);
  return session_id;
}

test("answers requests and iterates over a stream, without a server", async () => {
  const session_id = await openClicked();
  const seen: number[] = [];
  const request = { type: "propagate_in_video" as const, session_id, max_frame_num_to_track: 3 };
  const stream = predictor.handleStreamRequest(request);
  let result = await stream.next();
  for (; !result.done; result = await stream.next()) seen.push(result.value.frame_index);
  expect(seen).toEqual([0, 1, 2, 3]);
  expect(result.value).toEqual({ num_frames: 4, cancelled: false });
  expect((await predictor.handleRequest({ type: "get_session", session_id })).obj_ids).toEqual([0]);
}, 180_000);

test("computes a frame only when it is requested, and none after the loop ends", async () => {
  const session_id = await openClicked();
  const computed = () => predictor.stats().engine?.frames ?? 0;
  const before = computed();
  const stream = predictor.handleStreamRequest({ type: "propagate_in_video", session_id });
  expect(await stableValue(computed)).toBe(before);
  await stream.next();
  await stream.next();
  expect(await stableValue(computed)).toBe(before + 2);
  await stream.return({ num_frames: 2, cancelled: true });
  expect(await stableValue(computed)).toBe(before + 2);
  await until(() => ffmpegChildren().length === 0);
  expect((await predictor.handleRequest({ type: "get_session", session_id })).propagating).toBe(false);
});

test("closes a session from inside its own loop", async () => {
  const session_id = await openClicked();
  const seen: number[] = [];
  for await (const frame of predictor.handleStreamRequest({ type: "propagate_in_video", session_id })) {
    seen.push(frame.frame_index);
    await predictor.handleRequest({ type: "close_session", session_id });
  }
  expect(seen).toEqual([0]);
  await until(() => ffmpegChildren().length === 0);
});

test("rejects with the error codes of the protocol", async () => {
  const request = { type: "get_session" as const, session_id: "none" };
  await expect(predictor.handleRequest(request)).rejects.toThrow(ProtocolError);
  await expect(predictor.handleRequest(request)).rejects.toMatchObject({ code: "session_not_found" });
  const stream = predictor.handleStreamRequest({ type: "propagate_in_video", session_id: "none" });
  await expect(stream.next()).rejects.toMatchObject({ code: "session_not_found" });
  const wrongMethod = predictor.handleRequest({ type: "propagate_in_video", session_id: "none" } as never);
  await expect(wrongMethod).rejects.toMatchObject({ code: "unknown_type" });
  await expect(predictor.handleStreamRequest(request as never).next()).rejects.toMatchObject({
    code: "unknown_type",
  });
});

test("refuses paths outside its media roots", async () => {
  const restricted = createPredictor(
    { logLevel: "silent", mediaRoots: [process.cwd()] },
    { engine: createScriptedEngine() },
  );
  const request = { type: "start_session" as const, resource_path: clip };
  await expect(restricted.handleRequest(request)).rejects.toMatchObject({ code: "resource_forbidden" });
  await restricted.close();
});

test("rejects every request with the fault of its pack", async () => {
  const broken = createPredictor({ logLevel: "silent", packDir: "/nowhere" });
  await expect(broken.ready).rejects.toThrow(/manifest\.json/);
  const request = { type: "start_session" as const, resource_path: clip };
  await expect(broken.handleRequest(request)).rejects.toMatchObject({ code: "engine_failed" });
  await broken.close();
});

test("ends its processes when it closes, and rejects running streams", async () => {
  const session_id = await openClicked();
  const stream = predictor.handleStreamRequest({ type: "propagate_in_video", session_id });
  await stream.next();
  const pid = predictor.stats().engine?.workerPid as number;
  await predictor.close();
  expect(isRunning(pid)).toBe(false);
  await until(() => ffmpegChildren().length === 0);
  await expect(stream.next()).rejects.toMatchObject({ code: "shutting_down" });
  const late = predictor.handleRequest({ type: "start_session", resource_path: clip });
  await expect(late).rejects.toMatchObject({ code: "shutting_down" });
});
