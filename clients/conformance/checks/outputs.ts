/** O: mask formats, states, suspects. B: binary messages and packed masks. */
import { inflateSync } from "node:zlib";
import { decodeMask, type Mask, rleOfPolygons, unpackMask, unpackRle } from "../../../protocol/index.js";
import { decodeLabelMap, maskOfLabel, maskOfPng } from "../../typescript/png-masks.js";
import { type Check, check } from "../check.js";
import type { Session } from "../lab.js";
import { HEIGHT, otherPolygon, squarePolygon, WIDTH } from "../media.js";
import type { Fields, Message } from "../probe.js";
import { expectSame, expectThat } from "../verdicts.js";
import {
  FRAMES,
  iou,
  markedSession,
  maskOf,
  maskPrompt,
  rleOf,
  storedFrames,
  videoSession,
} from "./common.js";

const bits = ({ data }: Mask) => Buffer.from(data).toString("base64");
const onFrame = async (session: Session, index: number, fields: Fields): Promise<Message> =>
  (await storedFrames(session, fields)).get(index)?.outputs ?? {};

/** The filter of each row of a PNG with one channel, and its method of interlacing. */
function pngRows(base64: string): {
  filters: number[];
  interlaced: number;
  bitDepth: number;
  colour: number;
} {
  const png = Buffer.from(base64, "base64");
  const chunks: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString("latin1", at + 4, at + 8) === "IDAT")
      chunks.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const bitDepth = png[24] ?? 0;
  const rows = inflateSync(Buffer.concat(chunks));
  const length = 1 + Math.ceil((width * bitDepth) / 8);
  const filters = Array.from({ length: height }, (_, row) => rows[row * length] ?? -1);
  return { filters, interlaced: png[28] ?? -1, bitDepth, colour: png[25] ?? -1 };
}

export const outputChecks: Check[] = [
  check("lists of outputs", "O-4 O-5 O-21", async (lab, verify) => {
    const session = await markedSession(lab);
    await session.ok({ type: "mark_absent", obj_id: 1, first_frame_index: 3, last_frame_index: 4 });
    const stored = await storedFrames(session);
    await verify("O-4", () => {
      for (const [index, { outputs }] of stored) {
        const ids = outputs.out_obj_ids as number[];
        expectSame(
          ids,
          [...ids].sort((a, b) => a - b),
          `the order of ids on frame ${index}`,
        );
        for (const list of ["out_probs", "out_boxes_xywh", "out_binary_masks"])
          expectSame(outputs[list]?.length, ids.length, `the length of ${list} on frame ${index}`);
      }
    });
    await verify("O-5", () => {
      expectSame(stored.get(3)?.outputs.out_obj_ids, [0], "the objects of a frame on which one is absent");
      expectSame(stored.get(5)?.outputs.out_obj_ids, [0, 1], "the objects of a later frame");
    });
    await verify("O-21", () => {
      const states = (stored.get(3)?.outputs.out_states ?? []) as Message[];
      expectSame(
        states.map(({ obj_id }) => obj_id),
        [0, 1],
        "the entries of a frame on which one object is absent",
      );
      expectThat(states[1]?.state !== "present", "an absent object is present");
    });
  }),

  check("formats of masks", "O-6 O-7 O-8 O-9 O-10 O-11 O-12 O-13 O-14 O-15", async (lab, verify) => {
    const session = await markedSession(lab, { mask_format: "none" });
    // An overlap, for the label map.
    await session.ok(maskPrompt(2, 1, squarePolygon(2)));
    await session.ok(maskPrompt(2, 2, otherPolygon(2)));
    const rle = await onFrame(session, 2, { mask_format: "rle" });
    await verify("O-6", async () => {
      const none = await onFrame(session, 2, {});
      expectSame(none.out_obj_ids, [0, 1, 2], "the objects");
      expectSame(
        Object.keys(none).filter((name) => /mask|polygon|label/.test(name)),
        [],
        "fields with masks in the format none",
      );
      expectSame(rle.out_binary_masks?.length, 3, "masks in the format of the request");
    });
    await verify("O-7", async () => {
      lab.requirePrompt("points");
      const { masks } = await session.ok({
        type: "predict",
        point_coords: [[[0.5, 0.5]]],
        point_labels: [[1]],
      });
      expectThat(typeof masks[0][0].counts === "string", "predict does not answer COCO RLE");
    });
    const png = await onFrame(session, 2, { mask_format: "png" });
    const binary = await onFrame(session, 2, { mask_format: "binary" });
    await verify("O-8", () => {
      for (const [at, id] of [0, 1, 2].entries()) {
        const expected = bits(maskOf(rle, id));
        expectSame(bits(maskOfPng(png.out_png_masks[at])), expected, `the PNG of object ${id}`);
        expectSame(
          bits(unpackMask(binary.out_packed_masks[at])),
          expected,
          `the packed mask of object ${id}`,
        );
      }
    });
    const { out_label_map } = await onFrame(session, 2, { mask_format: "label_map" });
    await verify("O-9", () => {
      const map = decodeLabelMap(out_label_map);
      const visible = bits(maskOfLabel(map, 2));
      expectSame(visible, bits(maskOf(rle, 1)), "object 1, which covers object 0");
      expectSame(
        maskOfLabel(map, 1).data.some((bit) => bit === 1),
        false,
        "pixels of object 0",
      );
    });
    await verify("O-10", () => {
      for (const one of [...png.out_png_masks, out_label_map]) {
        const { filters, interlaced, colour } = pngRows(one);
        expectSame([...new Set(filters)], [2], "the filters of rows");
        expectSame([interlaced, colour], [0, 0], "interlacing and colour type");
      }
      expectSame(pngRows(png.out_png_masks[0]).bitDepth, 1, "bits per pixel of a mask");
      expectSame(pngRows(out_label_map).bitDepth, 8, "bits per pixel of a label map");
    });
    const polygons = async (polygon_tolerance_px: number) =>
      onFrame(session, 2, { mask_format: "polygons", polygon_tolerance_px });
    const drawn = (outputs: Message, at: number) =>
      decodeMask(rleOfPolygons(outputs.out_polygons[at], [HEIGHT, WIDTH]));
    const exact = await polygons(0);
    await verify("O-12", () => {
      expectSame(exact.out_mask_size, [HEIGHT, WIDTH], "out_mask_size");
      for (const rings of exact.out_polygons as number[][][])
        for (const ring of rings) {
          expectThat(ring.length >= 6 && ring.length % 2 === 0, `a ring has ${ring.length} numbers`);
          expectThat(ring[0] !== ring.at(-2) || ring[1] !== ring.at(-1), "a ring repeats its first corner");
        }
    });
    await verify("O-13", () =>
      expectSame(bits(drawn(exact, 0)), bits(maskOf(rle, 0)), "the pixels inside the rings"),
    );
    await verify("O-15", () => {
      for (const at of [0, 1, 2])
        expectSame(bits(drawn(exact, at)), bits(maskOf(rle, at)), `the polygons of object ${at}`);
    });
    await verify("O-14", async () => {
      const simplified = await polygons(1);
      for (const at of [0, 1, 2]) {
        const overlap = iou(drawn(simplified, at), maskOf(rle, at));
        expectThat(
          overlap > 0.9,
          `the simplified polygons of object ${at} have an IoU of ${overlap.toFixed(3)}`,
        );
      }
    });
    await verify("O-11", async () => {
      const empty = await videoSession(lab);
      await empty.ok(maskPrompt(0, 0));
      const { outputs } = await empty.ok({ type: "remove_object", obj_id: 0 });
      expectSame(
        [outputs.out_label_map ?? null, outputs.out_mask_size ?? null],
        [null, null],
        "out_label_map and out_mask_size",
      );
      await empty.ok(maskPrompt(0, 1));
      await empty.ok({ type: "mark_absent", obj_id: 1, first_frame_index: 0, last_frame_index: 0 });
      for (const mask_format of ["label_map", "polygons"]) {
        const none = await onFrame(empty, 0, { mask_format });
        expectSame(
          [none.out_label_map ?? null, none.out_mask_size ?? null],
          [null, null],
          `fields of ${mask_format} without objects`,
        );
      }
    });
  }),

  check("binary messages", "B-1 B-2 B-3 B-4 B-5", async (lab, verify) => {
    const session = await markedSession(lab);
    const raw: Buffer[] = [];
    session.probe.socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) raw.push(Buffer.from(data));
    });
    const stored = await storedFrames(session);
    const packed = await storedFrames(session, { mask_format: "binary" });
    const parts = raw.map((message) => {
      const length = message.readUInt32BE(0);
      return {
        header: JSON.parse(message.subarray(4, 4 + length).toString()) as Message,
        payload: message.subarray(4 + length),
      };
    });
    await verify("B-1", () => expectSame(parts.length, FRAMES, "binary messages"));
    await verify("B-2", () => {
      for (const { header } of parts) {
        expectSame(header.type, "frame", "type");
        expectThat(Array.isArray(header.outputs?.out_mask_bytes), "outputs have no out_mask_bytes");
      }
    });
    await verify("B-3", () => {
      for (const { header, payload } of parts) {
        const lengths = header.outputs.out_mask_bytes as number[];
        expectSame(lengths.length, header.outputs.out_obj_ids.length, "the number of lengths");
        expectSame(
          lengths.reduce((sum, one) => sum + one, 0),
          payload.length,
          "the bytes of the payload",
        );
      }
    });
    await verify("B-5", () => {
      for (const [index, { outputs }] of packed)
        for (const [at, bytes] of (outputs.out_packed_masks as Uint8Array[]).entries())
          expectSame(
            unpackRle(bytes).counts,
            stored.get(index)?.outputs.out_binary_masks[at].counts,
            `a packed mask of frame ${index}`,
          );
    });
    await verify("B-4", async () => {
      const { body } = await lab.http("/v1/handle_request", {
        method: "POST",
        body: JSON.stringify({ ...maskPrompt(0, 0), session_id: session.id, mask_format: "binary" }),
      });
      const [first] = (body.outputs?.out_packed_masks ?? []) as string[];
      expectThat(typeof first === "string", "the answer has no out_packed_masks");
      expectSame(
        unpackRle(Buffer.from(first, "base64")).counts,
        rleOf(stored.get(0)?.outputs, 0)?.counts,
        "the mask",
      );
    });
  }),

  check("changed masks only", "O-16 O-17 O-18 O-19 O-20", async (lab, verify) => {
    const session = await markedSession(lab);
    const changed = (fields: Fields = {}) =>
      storedFrames(session, { changed_only: true, mask_format: "png", ...fields });
    await verify("O-20", async () => {
      await storedFrames(session, { mask_format: "none" });
      const first = await changed({ mask_format: "binary" });
      expectSame(
        first.get(4)?.outputs.unchanged_obj_ids,
        [],
        "unchanged_obj_ids after outputs without masks",
      );
    });
    await changed();
    const again = await changed();
    await verify("O-16", () => {
      expectSame(again.get(4)?.outputs.unchanged_obj_ids, [0, 1], "unchanged_obj_ids");
      expectSame(again.get(4)?.outputs.out_obj_ids, [], "out_obj_ids");
    });
    await verify("O-17", () => expectSame(again.size, FRAMES, "frames"));
    await verify("O-18", async () => {
      await session.ok(maskPrompt(4, 0, [2, 2, 30, 2, 30, 30]));
      await session.ok({ type: "mark_absent", obj_id: 1, first_frame_index: 4, last_frame_index: 4 });
      const { outputs } = (await changed()).get(4) ?? {};
      expectSame(
        [outputs.out_obj_ids, outputs.unchanged_obj_ids],
        [[0], []],
        "changed and unchanged objects",
      );
    });
    await verify("O-19", async () => {
      const other = await lab.connect();
      await other.ok({ type: "attach_session", session_token: session.token });
      const { frames } = await other.stream({
        type: "propagate_in_video",
        session_id: session.id,
        scope: "stored",
        propagation_direction: "forward",
        start_frame_index: 0,
        changed_only: true,
        mask_format: "png",
      });
      expectSame(
        frames[0]?.outputs.unchanged_obj_ids,
        [],
        "unchanged_obj_ids after another connection attached",
      );
    });
  }),

  check("suspects", "O-1 O-2 O-3", async (lab, verify) => {
    const session = await markedSession(lab);
    const list = () => session.ok({ type: "list_suspects", limit: 1000 });
    await session.ok({ type: "reset_session" });
    await session.ok(maskPrompt(0, 0));
    const forward = { propagation_direction: "forward", start_frame_index: 0 };
    await session.stream(forward);
    const first = await list();
    await verify("O-1", async () => {
      expectSame(first.num_suspects, first.suspects.length, "num_suspects");
      for (const { frame_index, obj_id } of first.suspects as Message[])
        expectThat(
          frame_index < FRAMES && obj_id === 0,
          `the entry of frame ${frame_index}, object ${obj_id}`,
        );
      expectSame(
        (await session.ok({ type: "list_suspects", limit: 1 })).suspects.length,
        Math.min(1, first.num_suspects),
        "entries with limit 1",
      );
    });
    await verify("O-2", async () => {
      await session.stream(forward);
      const keys = ((await list()).suspects as Message[]).map(
        ({ frame_index, obj_id }) => `${frame_index} ${obj_id}`,
      );
      expectSame(keys.length, new Set(keys).size, "different entries");
    });
    await verify("O-3", async () => {
      for (let index = 0; index < FRAMES; index++) await session.ok(maskPrompt(index, 0));
      await session.stream(forward);
      expectSame((await list()).suspects, [], "suspects when every frame is prompted");
    });
  }),
];
