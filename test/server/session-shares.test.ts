/** Concepts and objects of all sessions of an owner, through the predictor and the real model. */
import { afterEach, beforeAll, expect, test } from "vitest";
import { createPredictor, type Predictor } from "../../server/index.js";
import { makeClip } from "../helpers/media.js";

const FRAMES = 4;
let predictor: Predictor;
let clip: string;
beforeAll(async () => {
  clip = await makeClip({ name: "shares.mp4", frames: FRAMES });
});
afterEach(() => predictor.close());

const start = (options: Parameters<typeof createPredictor>[0]) => {
  predictor = createPredictor({ logLevel: "silent", threads: 1, ...options });
};
const open = async () =>
  (await predictor.handleRequest({ type: "start_session", resource_path: clip })).session_id;
const name = (session_id: string, text: string, fields: object = {}) =>
  predictor.handleRequest({ type: "add_prompt", session_id, frame_index: 0, text, ...fields });
const click = (session_id: string, x: number, fields: object = {}) =>
  predictor.handleRequest({
    ...{ type: "add_prompt", session_id, frame_index: 0, points: [[x, 0.5]], point_labels: [1] },
    ...fields,
  });
const close = (session_id: string) => predictor.handleRequest({ type: "close_session", session_id });
async function used(share: string): Promise<number | undefined> {
  return (await predictor.shares.total()).find((one) => one.name === share)?.used;
}

test("an owner may hold a number of concepts in all its sessions", async () => {
  start({ maxConceptsPerOwner: 2 });
  const [first, second] = [await open(), await open()];
  await name(first, "red square");
  await name(second, "blue circle");
  expect(await used("concepts")).toBe(2);
  await expect(name(second, "green star")).rejects.toMatchObject({
    code: "concept_limit",
    limit: "maxConceptsPerOwner",
    message: expect.stringMatching(/2 of 2 concepts/),
  });
  // A known phrase, and one in place of the others, need no more room.
  await name(second, " Blue  Circle");
  await name(second, "green star", { replace: true });
  expect(await used("concepts")).toBe(2);
  await predictor.handleRequest({ type: "remove_concept", session_id: second, concept: "green star" });
  await name(first, "green star");
  await close(first);
  expect(await used("concepts")).toBe(0);
  await name(second, "red square");
  await predictor.handleRequest({ type: "reset_session", session_id: second });
  expect(await used("concepts")).toBe(0);
}, 180_000);

test("an owner may hold a number of objects in all its sessions", async () => {
  start({ maxObjectsPerOwner: 2 });
  const [first, second] = [await open(), await open()];
  const { obj_id } = await click(first, 0.3);
  await click(second, 0.5);
  expect(await used("objects")).toBe(2);
  await expect(click(second, 0.7)).rejects.toMatchObject({
    code: "object_limit",
    limit: "maxObjectsPerOwner",
  });
  // Corrections of known objects need no more room, and streams run on.
  await click(first, 0.4, { obj_id });
  let frames = 0;
  for await (const _ of predictor.handleStreamRequest({ type: "propagate_in_video", session_id: first }))
    frames++;
  expect(frames).toBe(FRAMES);
  await predictor.handleRequest({
    type: "remove_object",
    session_id: first,
    obj_id: obj_id as number,
    frame_index: 0,
  });
  expect(await used("objects")).toBe(1);
  await click(second, 0.7);
  await close(second);
  expect(await used("objects")).toBe(0);
}, 180_000);
