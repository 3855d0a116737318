/** The limit on concepts of a session, through the predictor and the real model. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPredictor, type Predictor } from "../../server/index.js";
import { makeClip } from "../helpers/media.js";

let predictor: Predictor;
let clip: string;
beforeAll(async () => {
  clip = await makeClip({ name: "concepts.mp4", frames: 4 });
  predictor = createPredictor({ logLevel: "silent", threads: 1 });
});
afterAll(() => predictor.close());

const open = (policy: object = {}) =>
  predictor.handleRequest({ type: "start_session", resource_path: clip, policy });
const addConcept = (session_id: string, text: string, fields: object = {}) =>
  predictor.handleRequest({ type: "add_prompt", session_id, frame_index: 0, text, ...fields });
const describeSession = (session_id: string) => predictor.handleRequest({ type: "get_session", session_id });

test("refuses a concept above the limit, with the count, the limit and the remedies, and changes nothing", async () => {
  const { session_id } = await open({ max_num_concepts: 2 });
  await addConcept(session_id, "red square");
  await addConcept(session_id, "blue circle");
  const before = await describeSession(session_id);
  await expect(addConcept(session_id, "green triangle")).rejects.toMatchObject({
    code: "concept_limit",
    field: "text",
    message: expect.stringMatching(/has 2 concepts.+limit is 2.+replace.+reset_session.+max_num_concepts/),
  });
  const box = {
    bounding_boxes: [[0.1, 0.1, 0.3, 0.3]] as [number, number, number, number][],
    bounding_box_labels: [1 as const],
  };
  await expect(
    predictor.handleRequest({ type: "add_prompt", session_id, frame_index: 0, ...box }),
  ).rejects.toMatchObject({ code: "concept_limit", field: "bounding_boxes" });
  expect(await describeSession(session_id)).toEqual(before);
  expect(before.concepts).toEqual(["red square", "blue circle"]);

  await addConcept(session_id, " Red  square");
  expect((await describeSession(session_id)).concepts).toEqual(["red square", "blue circle"]);
  await addConcept(session_id, "green triangle", { replace: true });
  expect((await describeSession(session_id)).concepts).toEqual(["green triangle"]);
}, 180_000);

test("refuses a limit outside its range", async () => {
  await expect(open({ max_num_concepts: 257 })).rejects.toMatchObject({
    code: "invalid_field",
    field: "policy.max_num_concepts",
  });
  await expect(open({ max_num_concepts: 0 })).rejects.toMatchObject({ code: "invalid_field" });
});
