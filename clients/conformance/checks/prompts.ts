/** P: prompts. V: `predict`. */

import sharp from "sharp";
import { decodeLowResMask, decodeMask, encodeLowResMask, encodeMask } from "../../../protocol/index.js";
import { type Check, check } from "../check.js";
import { HEIGHT, otherPolygon, squareAt, squareBox, squareCentre, squarePolygon, WIDTH } from "../media.js";
import type { Fields } from "../probe.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";
import { FRAMES, markFrames, maskOf, maskPrompt, pictureSession, rleOf, videoSession } from "./common.js";

const text = (phrase: string, fields: Fields = {}): Fields => ({
  type: "add_prompt",
  frame_index: 0,
  text: phrase,
  ...fields,
});
const click = (frame: number, labels: number[], fields: Fields = {}): Fields => ({
  type: "add_prompt",
  frame_index: frame,
  points: labels.map(() => squareCentre(frame)),
  point_labels: labels,
  ...fields,
});

/** `[height, width]` bits of the square of frame 0. */
function squareBits(): Uint8Array {
  const bits = new Uint8Array(WIDTH * HEIGHT);
  const [x, y] = squareAt(0);
  for (let row = y; row < y + 24; row++) bits.fill(1, row * WIDTH + x, row * WIDTH + x + 24);
  return bits;
}

export const promptChecks: Check[] = [
  check("kinds of prompts", "P-1 P-3 P-5 P-7 P-8", async (lab, verify) => {
    const session = await videoSession(lab);
    await verify("P-1", async () => {
      lab.requirePrompt("points");
      const clicked = await session.ok(click(0, [1]));
      expectThat(Number.isInteger(clicked.obj_id), "the answer to clicks has an obj_id");
      const boxed = await session.ok({
        type: "add_prompt",
        frame_index: 0,
        obj_id: 4,
        bounding_boxes: [squareBox(0)],
      });
      expectSame(boxed.obj_id, 4, "obj_id of a box with an obj_id");
      if (lab.server.prompts.includes("masks"))
        expectSame((await session.ok(maskPrompt(0, 6))).obj_id, 6, "obj_id of a mask");
      if (lab.server.prompts.includes("text"))
        expectSame((await session.ok(text("red square"))).obj_id ?? null, null, "obj_id of a phrase");
      await session.fails({ type: "add_prompt", frame_index: 0 }, ["missing_field", "invalid_field"]);
    });
    lab.requirePrompt("masks");
    await session.ok({ type: "reset_session" });
    await markFrames(session, [0]);
    await verify("P-3", async () => {
      const answer = await session.ok(maskPrompt(3, 0));
      expectSame(answer.obj_id, 0, "obj_id");
      expectSame((await session.ok({ type: "get_session" })).obj_ids, [0, 1], "obj_ids");
    });
    await verify("P-5", async () => {
      await session.ok(maskPrompt(0, 17));
      expectSame((await session.ok({ type: "get_session" })).obj_ids, [0, 1, 17], "obj_ids");
    });
    await verify("P-7", async () => {
      lab.requirePrompt("points");
      await session.fails(click(0, [0]), "invalid_field", "point_labels");
      await session.fails(click(0, [0], { obj_id: 99 }), "invalid_field", "point_labels");
    });
    await verify("P-8", async () => {
      const before = await session.ok(maskPrompt(0, 17, otherPolygon(3)));
      const after = await session.ok(maskPrompt(0, 17, otherPolygon(5)));
      expectSame(rleOf(after.outputs, 0), rleOf(before.outputs, 0), "the mask of another object");
      const alone = await session.ok({ ...maskPrompt(7, 18, otherPolygon(5)), track_others: false });
      expectSame(
        alone.outputs.out_obj_ids,
        [18],
        "the objects on a frame without stored masks, with track_others false",
      );
    });
  }),

  check("phrases", "P-2 P-10 P-12 P-13 P-14", async (lab, verify) => {
    lab.requirePrompt("text");
    const session = await videoSession(lab);
    const facts = () => session.ok({ type: "get_session" });
    await verify("P-2", async () => {
      await session.ok(text("red square"));
      await session.ok(text("green square"));
      expectSame((await facts()).concepts, ["red square", "green square"], "concepts");
    });
    await verify("P-10", async () => {
      const before = (await facts()).obj_ids as number[];
      await session.ok(text("blue circle", { text_label: 0 }));
      const { negative_concepts, obj_ids } = await facts();
      expectSame(negative_concepts, ["blue circle"], "negative_concepts");
      expectThat(
        (obj_ids as number[]).every((id) => before.includes(id)),
        "a negative phrase created an object",
      );
    });
    await verify("P-12", async () => {
      await session.ok(text("green square", { text_label: 0 }));
      const negative = await facts();
      expectSame(negative.concepts, ["red square"], "concepts");
      expectThat(negative.negative_concepts.includes("green square"), "the phrase is not negative");
      await session.ok(text("green square", { text_label: 1 }));
      const positive = await facts();
      expectThat(positive.concepts.includes("green square"), "the phrase is no concept again");
      expectThat(!positive.negative_concepts.includes("green square"), "the phrase is still negative");
    });
    await verify("P-13", async () => {
      const refuse = (fields: Fields) =>
        session.fails(text("dog", { text_label: 0, ...fields }), "invalid_field");
      await refuse({ replace: true });
      await refuse({ semantic_map: true });
      await refuse({ bounding_boxes: [squareBox(0)], bounding_box_labels: [1] });
    });
    await verify("P-14", async () => {
      const small = await videoSession(lab, { policy: { max_num_concepts: 1 } });
      await small.ok(text("red square"));
      await small.fails(text("dog", { text_label: 0 }), "concept_limit");
    });
  }),

  check("a prompt during a propagation", "P-6", async (lab, verify) => {
    await verify("P-6", async () => {
      lab.requirePrompt("masks");
      const session = await videoSession(lab);
      const { probe, id } = session;
      await markFrames(session, [0]);
      const stream = probe.send({
        type: "propagate_in_video",
        session_id: id,
        propagation_direction: "forward",
        window: 2,
      });
      await probe.until(() => (probe.framesOf(stream).length === 2 ? true : undefined), "two frames");
      const answer = await session.ok(maskPrompt(1, 5));
      expectSame(answer.obj_id, 5, "obj_id");
      probe.sendRaw(JSON.stringify({ type: "ack", request_id: stream, num_frames: 2 }));
      for (let acked = 2; acked < FRAMES; acked += 2) {
        const wanted = Math.min(FRAMES, acked + 2);
        await probe.until(
          () => (probe.framesOf(stream).length >= wanted ? true : undefined),
          `${wanted} frames`,
        );
        probe.sendRaw(JSON.stringify({ type: "ack", request_id: stream, num_frames: wanted }));
      }
      const { frames, end } = await probe.streamOf(stream);
      expectSame([end.type, frames.length], ["done", FRAMES], "the end of the stream");
      const last = frames.at(-1);
      const states = (last?.outputs.out_states ?? []) as { obj_id: number }[];
      expectThat(
        states.some(({ obj_id }) => obj_id === 5),
        "later frames do not have the object that was prompted",
      );
    });
  }),

  check("semantic_map", "P-15 P-16", async (lab, verify) => {
    lab.requirePrompt("text");
    const session = await pictureSession(lab);
    const { semantic_map } = await session.ok(text("red square", { semantic_map: true }));
    await verify("P-15", async () => {
      expectThat(semantic_map?.logits && semantic_map.mask, "the answer has no semantic_map");
      const without = await session.ok(text("red square"));
      expectSame(without.semantic_map ?? null, null, "semantic_map without the request");
    });
    await verify("P-16", () => {
      const logits = decodeLowResMask(semantic_map.logits);
      expectSame(
        logits.length,
        semantic_map.logits.size[0] * semantic_map.logits.size[1],
        "the number of logits",
      );
      expectSame(semantic_map.mask.size, [HEIGHT, WIDTH], "the size of the mask");
      const bits = decodeMask(semantic_map.mask).data;
      const isAnyInside = bits.some((bit) => bit === 1);
      expectThat(
        !isAnyInside || logits.some((value) => value > 0),
        "the mask has pixels, but no logit is above 0",
      );
    });
  }),

  check("mask prompts", "P-17 P-18 P-19 P-20 P-21", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    const rle = encodeMask(squareBits(), WIDTH, HEIGHT);
    const png = await sharp(Buffer.from(squareBits().map((bit) => 255 * bit)), {
      raw: { width: WIDTH, height: HEIGHT, channels: 1 },
    })
      .png()
      .toBuffer();
    const prompt = (mask: object, fields: Fields = {}) => ({
      type: "add_prompt",
      frame_index: 0,
      obj_id: 0,
      mask,
      ...fields,
    });
    await verify("P-17", async () => {
      const forms = [
        { rle },
        { png: png.toString("base64") },
        { png: `data:image/png;base64,${png.toString("base64")}` },
        { polygons: [squarePolygon(0)] },
      ];
      for (const form of forms) {
        const { outputs } = await session.ok(prompt(form, { rel_coordinates: true }));
        expectSame(rleOf(outputs, 0)?.counts, rle.counts, `the mask of the form ${Object.keys(form)}`);
      }
      await session.fails(
        prompt({ rle, polygons: [squarePolygon(0)] }),
        ["invalid_field", "unknown_field"],
        "mask",
      );
      await session.fails(prompt({}), ["invalid_field", "missing_field"], "mask");
    });
    await verify("P-20", async () => void (await session.ok(maskPrompt(FRAMES - 1, 3))));
    await verify("P-18", async () => {
      const overlapping = await session.ok(maskPrompt(0, 1, squarePolygon(0)));
      expectSame(rleOf(overlapping.outputs, 1)?.counts, rle.counts, "the mask in the answer");
      expectSame(
        rleOf(overlapping.outputs, 0)?.counts,
        rle.counts,
        "the mask of the object that it overlaps",
      );
      const { frames } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
      expectSame(rleOf(frames[0]?.outputs, 0)?.counts, rle.counts, "the mask in a stream");
    });
    await verify("P-19", async () => {
      lab.requirePrompt("points");
      const { outputs } = await session.ok(click(0, [1], { obj_id: 0 }));
      const refined = maskOf(outputs, 0);
      const [x, y] = squareAt(0);
      expectSame(refined.data[(y + 12) * WIDTH + x + 12], 1, "the pixel of a positive click");
      await session.ok(prompt({ rle }, { points: [squareCentre(0)], point_labels: [1] }));
    });
    await verify("P-21", async () => {
      const small = encodeMask(new Uint8Array(32 * 32).fill(1), 32, 32);
      await session.fails(prompt({ rle: small }), "invalid_field", "mask");
      await session.fails(
        prompt({ rle: encodeMask(new Uint8Array(WIDTH * HEIGHT), WIDTH, HEIGHT) }),
        "invalid_field",
        "mask",
      );
      await session.fails(prompt({ rle: { size: [HEIGHT, WIDTH], counts: "~~~" } }), "invalid_field", "mask");
      await session.fails(
        prompt({ png: Buffer.from("no picture").toString("base64") }),
        "invalid_field",
        "mask",
      );
    });
  }),

  check("predict", "V-1 V-2 V-3 V-5 V-6 V-7", async (lab, verify) => {
    lab.requirePrompt("points");
    const session = await pictureSession(lab);
    const predict = (fields: Fields) => session.ok({ type: "predict", ...fields });
    const [x, y] = squareAt(0);
    const box = [x / WIDTH, y / HEIGHT, (x + 24) / WIDTH, (y + 24) / HEIGHT];
    const points = { point_coords: [[squareCentre(0)], [[0.1, 0.1]]], point_labels: [[1], [1]] };
    const two = await predict(points);
    await verify("V-1", async () => {
      const facts = await session.ok({ type: "get_session" });
      expectSame([facts.obj_ids, facts.can_undo], [[], false], "obj_ids and can_undo after predict");
    });
    await verify("V-2", async () => {
      await predict({ boxes: [box] });
      await predict({ boxes: [box], point_coords: [[squareCentre(0)]], point_labels: [[1]] });
      await session.fails({ type: "predict" }, ["missing_field", "invalid_field"]);
    });
    await verify("V-3", () => {
      const counts = (list: unknown[][]) => list.map(({ length }) => length);
      expectSame(counts(two.masks), [3, 3], "masks per prompt");
      expectSame(counts(two.iou_predictions), [3, 3], "iou_predictions per prompt");
      expectSame(counts(two.low_res_masks), [3, 3], "low_res_masks per prompt");
    });
    const single = await predict({ boxes: [box], multimask_output: false });
    await verify("V-5", async () => {
      expectSame([single.masks.length, single.masks[0].length], [1, 1], "masks without multimask_output");
      await predict({ boxes: [box], mask_input: single.low_res_masks[0][0] });
    });
    const low = single.low_res_masks[0][0];
    await verify("V-7", () => {
      const [height, width] = low.size as [number, number];
      expectSame(low.dtype, "float16", "dtype");
      expectSame(Buffer.from(low.data, "base64").length, 2 * height * width, "bytes of the logits");
      expectThat(
        decodeLowResMask(low).every((value) => Math.abs(value) <= 32),
        "logits are within ±32",
      );
      expectSame(
        encodeLowResMask(decodeLowResMask(low), [height, width]).data,
        low.data,
        "decoding and encoding",
      );
    });
    await verify("V-6", () => {
      const logits = decodeLowResMask(low);
      const [height, width] = low.size as [number, number];
      const mask = decodeMask(single.masks[0][0]);
      let same = 0;
      for (let row = 0; row < HEIGHT; row++) {
        for (let column = 0; column < WIDTH; column++) {
          const at =
            Math.floor(((row + 0.5) / HEIGHT) * height) * width +
            Math.floor(((column + 0.5) / WIDTH) * width);
          if ((logits[at] ?? 0) > 0 === (mask.data[row * WIDTH + column] === 1)) same++;
        }
      }
      // Interpolation moves the outline by less than a pixel of the model's resolution.
      expectThat(same / (WIDTH * HEIGHT) > 0.95, `${same} of ${WIDTH * HEIGHT} pixels agree with the logits`);
    });
  }),

  check("objects below a threshold", "O-22", async (lab, verify) => {
    await verify("O-22", async () => {
      lab.requirePrompt("text");
      const session = await pictureSession(lab);
      const { outputs } = await session.ok(text("red square", { output_prob_thresh: 0 }));
      const uncertain = (outputs.out_obj_ids as number[]).filter((_, at) => outputs.out_probs[at] < 1);
      if (uncertain.length === 0) throw new NotTried("the phrase found no object with a probability below 1");
      const strict = await session.ok(text("red square", { output_prob_thresh: 1 }));
      const listed = strict.outputs.out_states.map(({ obj_id }: { obj_id: number }) => obj_id);
      expectSame(
        uncertain.filter((id) => listed.includes(id)),
        [],
        "entries of objects that are omitted",
      );
    });
  }),
];
