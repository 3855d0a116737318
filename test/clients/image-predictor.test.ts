/** The image predictor of the client: what it sends, what it makes of the answers. */
import { expect, test } from "vitest";
import { connect, createImagePredictor, fullSizeLogits } from "../../clients/typescript/index.js";
import { encodeLowResMask, encodeMask } from "../../protocol/index.js";
import { startScriptedServer, VIDEO } from "../helpers/scripted-server.js";

const logits = encodeLowResMask(Float32Array.of(1, -1, 1, -1), [2, 2]);
const mask = encodeMask(Uint8Array.of(1, 0, 1, 0), 2, 2);

async function start() {
  let sessions = 0;
  const server = await startScriptedServer((request, peer) => {
    if (request.type === "start_session") {
      if (request.resource_path === "missing.jpg") {
        const error = { code: "resource_not_found", message: "no such file", retryable: false };
        peer.send({ type: "error", request_id: request.request_id, error });
      } else peer.respond(request, { ...VIDEO, session_id: `s${sessions++}` });
    } else if (request.type === "predict") {
      const rows = request.point_coords?.length ?? request.boxes?.length ?? 1;
      const each = request.multimask_output === false ? [0.9] : [0.1, 0.8, 0.3];
      peer.respond(request, {
        frame_index: 0,
        masks: Array(rows).fill(each.map(() => mask)),
        iou_predictions: Array(rows).fill(each),
        low_res_masks: Array(rows).fill(each.map(() => logits)),
      });
    } else peer.respond(request, { is_success: true });
  });
  const client = await connect(server.url);
  return { server, client, predictor: createImagePredictor(client), sent: () => server.received.at(-1) };
}

test("one prompt goes out as a batch of one, in pixels, and comes back as one prediction", async () => {
  const { server, client, predictor, sent } = await start();
  await using _ = server;
  await predictor.setImage({ resource_path: "truck.jpg" });
  const {
    masks,
    scores,
    logits: back,
  } = await predictor.predict({
    point_coords: [[520, 375]],
    point_labels: [1],
    box: [425, 600, 700, 875],
    mask_input: logits,
  });
  expect(sent()).toMatchObject({
    type: "predict",
    session_id: "s0",
    point_coords: [[[520, 375]]],
    point_labels: [[1]],
    boxes: [[425, 600, 700, 875]],
    mask_input: logits,
    rel_coordinates: false,
  });
  expect(sent()).not.toHaveProperty("box");
  expect(scores).toEqual([0.1, 0.8, 0.3]);
  expect(masks.map(({ data }) => [...data])).toEqual(Array(3).fill([1, 0, 1, 0]));
  expect(back[1]).toEqual(logits);
  await client.close();
});

test("several boxes come back as one prediction each", async () => {
  const { server, client, predictor, sent } = await start();
  await using _ = server;
  await predictor.setImage({ resource_path: "truck.jpg" });
  const predictions = await predictor.predict({
    box: [
      [0, 0, 10, 10],
      [5, 5, 20, 20],
    ],
    multimask_output: false,
  });
  expect(predictions.map(({ scores }) => scores)).toEqual([[0.9], [0.9]]);
  expect(sent()).toMatchObject({
    boxes: [
      [0, 0, 10, 10],
      [5, 5, 20, 20],
    ],
    multimask_output: false,
  });
  await client.close();
});

test("another image gives the one before back, and several are sessions of their own", async () => {
  const { server, client, predictor } = await start();
  await using _ = server;
  await expect(predictor.predict({ box: [0, 0, 1, 1] })).rejects.toMatchObject({ code: "no_image" });
  await predictor.setImage({ resource_path: "a.jpg" });
  await predictor.setImageBatch([{ resource_path: "b.jpg" }, { resource_path: "c.jpg" }]);
  const results = await predictor.predictBatch([
    { box: [[0, 0, 1, 1]] },
    { point_coords: [[[1, 1]], [[2, 2]]], point_labels: [[1], [1]] },
  ]);
  expect(results.map((one) => one.length)).toEqual([1, 2]);
  await expect(predictor.predictBatch([{ box: [[0, 0, 1, 1]] }])).rejects.toThrow(
    "expected prompts for 2 images, got 1",
  );
  await predictor.resetPredictor();
  const of = (type: string) =>
    server.received.flatMap((request) =>
      request.type === type ? [(request as { session_id?: string }).session_id] : [],
    );
  expect(of("close_session")).toEqual(["s0", "s1", "s2"]);
  expect(of("predict")).toEqual(["s1", "s2"]);
  await client.close();
});

test("an image that cannot be opened leaves none open", async () => {
  const { server, client, predictor } = await start();
  await using _ = server;
  const batch = [{ resource_path: "a.jpg" }, { resource_path: "missing.jpg" }];
  await expect(predictor.setImageBatch(batch)).rejects.toMatchObject({ code: "resource_not_found" });
  expect(server.received.filter(({ type }) => type === "close_session")).toHaveLength(1);
  await client.close();
});

test("full-size logits are interpolated between pixel centres", () => {
  // torch.nn.functional.interpolate([[0, 4], [8, 12]], size=(4, 4), mode="bilinear", align_corners=False)
  const lowRes = encodeLowResMask(Float32Array.of(0, 4, 8, 12), [2, 2]);
  expect([...fullSizeLogits(lowRes, { width: 4, height: 4 })]).toEqual([
    ...[0, 1, 3, 4],
    ...[2, 3, 5, 6],
    ...[6, 7, 9, 10],
    ...[8, 9, 11, 12],
  ]);
  expect([...fullSizeLogits(lowRes, { width: 1, height: 2 })]).toEqual([2, 10]);
});
