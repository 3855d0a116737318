/** F: coordinates, masks and time. */
import { decodeMask, maskBox } from "../../../protocol/index.js";
import { type Check, check } from "../check.js";
import type { Lab } from "../lab.js";
import {
  clip,
  DAMAGED,
  HEIGHT,
  picture,
  rotatedPicture,
  squareAt,
  squareCentre,
  WIDTH,
  y4m,
} from "../media.js";
import { expectSame, expectThat } from "../verdicts.js";
import {
  FRAMES,
  indicesOf,
  markedSession,
  maskArea,
  maskPrompt,
  pictureArchive,
  pictureSession,
  pictureUpload,
  rleOf,
  videoSession,
} from "./common.js";

/** The times of all frames of an upload, read from a stream of masks. */
async function timesOf(
  lab: Lab,
  bytes: Uint8Array,
): Promise<{ facts: Record<string, unknown>; times: number[] }> {
  lab.requirePrompt("masks");
  const facts = await lab.upload(bytes);
  const session = await lab.session({ upload_id: facts.upload_id });
  await session.ok({ ...maskPrompt(0, 0, [1, 1, 20, 1, 20, 20]) });
  const { frames, end } = await session.stream({
    propagation_direction: "forward",
    start_frame_index: 0,
    mask_format: "none",
  });
  expectThat(end.type === "done", `the stream ended with ${end.error?.code}: ${end.error?.message}`);
  return { facts, times: frames.map((one) => one.timestamp_us) };
}

const ascends = (times: readonly number[]) =>
  times.every((time, at) => at === 0 || time > (times[at - 1] ?? 0));
const evenly = (count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => first + index * 100_000);

export const frameChecks: Check[] = [
  check("coordinates", "F-1 F-2 F-5 F-8", async (lab, verify) => {
    const session = await pictureSession(lab);
    await verify("F-1", async () => {
      lab.requirePrompt("points");
      const [x, y] = squareCentre(0);
      const click = (point: [number, number], rel?: boolean) =>
        session.ok({
          type: "predict",
          point_coords: [[point]],
          point_labels: [[1]],
          multimask_output: false,
          ...(rel === undefined ? {} : { rel_coordinates: rel }),
        });
      const relative = await click([x, y]);
      const pixels = await click([x * WIDTH, y * HEIGHT], false);
      expectSame(pixels.masks, relative.masks, "the mask of the same point in pixels");
      await session.fails(
        { type: "predict", point_coords: [[[1.5, 0.5]]], point_labels: [[1]] },
        "invalid_field",
        "point_coords",
      );
    });
    lab.requirePrompt("masks");
    const { outputs } = await session.ok(maskPrompt(0, 0));
    await verify("F-2", () => {
      const [x, y] = squareAt(0);
      const expected = [x / WIDTH, y / HEIGHT, 24 / WIDTH, 24 / HEIGHT];
      const box = outputs.out_boxes_xywh[0] as number[];
      expectThat(
        box.every((value, at) => Math.abs(value - (expected[at] as number)) < 1e-6),
        `the box: expected ${expected}, got ${box}`,
      );
    });
    await verify("F-5", () =>
      expectSame(outputs.out_binary_masks[0].size, [HEIGHT, WIDTH], "the size of a mask"),
    );
    await verify("F-8", () => {
      const rle = rleOf(outputs, 0);
      expectThat(rle, "the prompted object has no mask");
      const mask = decodeMask(rle);
      expectSame(maskBox(rle), [...squareAt(0), 24, 24], "the box around the pixels of the mask");
      expectSame(
        mask.data.reduce((sum, bit) => sum + bit, 0),
        24 * 24,
        "the number of pixels",
      );
      expectSame(maskArea(rle), 24 * 24, "the area");
    });
  }),

  check("the displayed picture", "F-3 F-4 F-6 F-20", async (lab, verify) => {
    const sizeOf = async (bytes: Uint8Array) => {
      const { width, height } = await lab.upload(bytes);
      return [width, height];
    };
    await verify("F-3", async () => {
      expectSame(await sizeOf(await rotatedPicture()), [HEIGHT, WIDTH], "a picture that EXIF data turn");
      expectSame(
        await sizeOf(await clip(3, { isTurned: true })),
        [HEIGHT, WIDTH],
        "a video that its matrix turns",
      );
    });
    await verify("F-4", async () => {
      expectSame(await sizeOf(await clip(3, { pixelAspect: [2, 1] })), [2 * WIDTH, HEIGHT], "pixels of 2:1");
      expectSame(await sizeOf(await clip(3, { pixelAspect: [1, 2] })), [WIDTH, 2 * HEIGHT], "pixels of 1:2");
    });
    await verify("F-6", async () => {
      const samples = [await picture(0, "jpeg", [48, 32])];
      const disabledFirst = { samples, width: 48, height: 32, durationMs: 100 };
      const facts = await lab.upload(await clip(4, { disabledFirst }));
      expectSame([facts.width, facts.num_frames], [WIDTH, 4], "width and frames of the enabled track");
    });
    await verify("F-20", async () => {
      lab.requirePrompt("masks");
      const samples = await Promise.all([0, 1, 2, 3].map((index) => picture(index, "jpeg")));
      samples[2] = await picture(2, "jpeg", [48, 32]);
      const { upload_id } = await lab.upload(await clip(4, { samples }));
      const session = await lab.session({ upload_id });
      const { outputs } = await session.ok(maskPrompt(2, 0));
      expectSame(
        outputs.out_binary_masks[0].size,
        [HEIGHT, WIDTH],
        "the size of a mask on a frame of another size",
      );
      const { frames } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
      expectSame(frames.length, 4, "the number of frames");
    });
  }),

  check("the index and the time of frames", "F-9 F-10 F-11 F-15", async (lab, verify) => {
    const durationMs = [100, 50, 200, 100, 100, 300, 40, 100, 100, 100];
    const expected = durationMs.map(
      (_, index) => 1000 * durationMs.slice(0, index).reduce((a, b) => a + b, 0),
    );
    const { facts, times } = await timesOf(lab, await clip(FRAMES, { durationMs }));
    await verify("F-10", () => {
      expectThat(ascends(times), `timestamps do not increase: ${times}`);
      expectSame(times, expected, "the timestamps of a video with a variable frame rate");
    });
    await verify("F-11", () => {
      expectSame(facts.start_time_us, 0, "start_time_us");
      expectSame(facts.duration_s, 1.19, "duration_s");
    });
    const session = await markedSession(lab);
    const { frames } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
    await verify("F-9", () =>
      expectSame(
        indicesOf(frames),
        evenly(FRAMES).map((time) => time / 100_000),
        "frame_index",
      ),
    );
    await verify("F-15", async () => {
      expectSame(frames.length, session.start.num_frames, "frames of a stream");
      const prompted = await session.ok(maskPrompt(4, 0));
      const stored = frames.find((one) => one.frame_index === 4);
      expectSame(
        rleOf(prompted.outputs, 0),
        rleOf(stored?.outputs, 0),
        "the mask of a prompt and of the stream",
      );
      await session.fails(maskPrompt(FRAMES, 0), "frame_out_of_range", "frame_index");
    });
  }),

  check("clocks of containers", "F-12 F-13 F-14 F-16 F-17", async (lab, verify) => {
    await verify("F-12", async () => {
      const { facts, times } = await timesOf(lab, await clip(4, { emptyEditMs: 500 }));
      expectSame(times, evenly(4, 500_000), "timestamps after an empty edit of 500 ms");
      expectSame(facts.duration_s, 0.9, "duration_s");
    });
    await verify("F-13", async () => {
      const { facts, times } = await timesOf(lab, y4m(4));
      expectSame(facts.start_time_us, 0, "start_time_us");
      expectSame(times, evenly(4), "timestamps");
    });
    await verify("F-14", async () => {
      const session = await lab.session({ upload_id: await pictureUpload(lab) });
      const { fps, start_time_us, duration_s } = session.start;
      expectSame(
        [fps, start_time_us, duration_s],
        [null, null, null],
        "fps, start_time_us, duration_s of a picture",
      );
    });
    await verify("F-16", async () => {
      const { facts } = await timesOf(lab, await clip(FRAMES, { skippedMs: 300 }));
      expectSame(facts.num_frames, 7, "frames of a video whose edit list excludes three");
    });
    await verify("F-17", async () => {
      const { facts, times } = await timesOf(
        lab,
        await clip(6, { durationMs: [100, 0, 100, 100, 100, 100] }),
      );
      expectSame(facts.num_frames, 6, "frames of a video with a repeated time");
      expectThat(ascends(times), `timestamps do not increase: ${times}`);
    });
  }),

  check("damaged pictures", "F-18 F-19", async (lab, verify) => {
    lab.requirePrompt("masks");
    await verify("F-18", async () => {
      const samples = await Promise.all(Array.from({ length: 6 }, (_, index) => picture(index, "jpeg")));
      samples[3] = Buffer.alloc(400, 0x55);
      const { upload_id, num_frames } = await lab.upload(await clip(6, { samples }));
      expectSame(num_frames, 6, "frames of a video with a damaged picture");
      const session = await lab.session({ upload_id });
      await session.ok(maskPrompt(0, 0));
      const { frames } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
      expectSame(
        frames.filter((one) => one.damaged).map((one) => one.frame_index),
        [3],
        "frames with damaged: true",
      );
    });
    await verify("F-19", async () => {
      const names = Array.from({ length: 36 }, (_, index) => `${index}.jpg`);
      const archive = await pictureArchive(names, async (_name, index) =>
        index > 2 && index < 35 ? DAMAGED : picture(index, "jpeg"),
      );
      const answer = await lab.http("/v1/uploads", { method: "POST", body: archive });
      if (answer.status !== 201) {
        expectSame(answer.body.error?.code, "media_unreadable", "the error of 32 damaged pictures in a row");
        return;
      }
      const session = await lab.session({ upload_id: answer.body.upload_id });
      await session.ok(maskPrompt(0, 0));
      const { end } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
      expectSame(
        end.error?.code,
        "media_unreadable",
        "the end of a stream over 32 damaged pictures in a row",
      );
    });
  }),

  check("messages of a stream", "T-11 T-12", async (lab, verify) => {
    const session = await videoSession(lab);
    lab.requirePrompt("masks");
    await session.ok(maskPrompt(0, 0));
    const { frames, end } = await session.stream({
      propagation_direction: "forward",
      max_frame_num_to_track: 4,
    });
    await verify("T-11", () => {
      for (const frame of frames) {
        expectSame(frame.session_id, session.id, "session_id of a frame");
        expectThat(frame.outputs?.out_obj_ids, "a frame has no outputs");
      }
    });
    await verify("T-12", () => expectSame([end.num_frames, end.cancelled], [frames.length, false], "done"));
  }),
];
