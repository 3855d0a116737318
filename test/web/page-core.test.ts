/** Pure parts of the page: where the frame is on the stage, painting, plans of runs, keys, and files before they are sent. */
import { describe, expect, it } from "vitest";
import { keyName } from "../../clients/web/app/keyboard.js";
import { checkFiles } from "../../clients/web/bring/check-file.js";
import { type PromptMark, readMarks } from "../../clients/web/session/prompts.js";
import { createRun, fieldsOf, type RunPlan, restOf } from "../../clients/web/session/run.js";
import { nearest } from "../../clients/web/session/run-commands.js";
import {
  boxBetween,
  fitView,
  isInside,
  panBy,
  toFrame,
  toStage,
  zoomAt,
} from "../../clients/web/stage/coordinates.js";
import { shorten } from "../../clients/web/stage/draw.js";
import { paintMask, pixelOf } from "../../clients/web/stage/mask-raster.js";
import { FLAG } from "../../clients/web/timeline/lane-states.js";
import { emptyMask, isEmpty, paintLine } from "../../clients/web/tools/paint.js";
import { noneFound } from "../../clients/web/tools/send-prompt.js";
import { encodeMask } from "../../protocol/index.js";
import { packMask } from "../../protocol/packed-mask.js";

describe("the frame on the stage", () => {
  const frame = { width: 640, height: 360 };
  const stage = { width: 1000, height: 500 };

  it("fits with a margin, in the middle", () => {
    const view = fitView(stage, frame);
    expect(view.scale).toBeCloseTo(476 / 360);
    expect(toStage(view, { x: 320, y: 180 })).toEqual({ x: 500, y: 250 });
    expect(toStage(view, { x: 0, y: 0 }).y).toBeCloseTo(12);
  });

  it("maps points both ways, after zoom and pan", () => {
    let view = zoomAt(fitView(stage, frame), { x: 300, y: 200 }, 3, fitView(stage, frame));
    view = panBy(view, -40, 25, stage, frame);
    const there = toStage(view, { x: 123.25, y: 45.5 });
    expect(toFrame(view, there).x).toBeCloseTo(123.25);
    expect(toFrame(view, there).y).toBeCloseTo(45.5);
  });

  it("zooms around the pointer, within limits", () => {
    const fit = fitView(stage, frame);
    const centre = { x: 700, y: 120 };
    const before = toFrame(fit, centre);
    const near = zoomAt(fit, centre, 2.5, fit);
    expect(toFrame(near, centre).x).toBeCloseTo(before.x);
    expect(toFrame(near, centre).y).toBeCloseTo(before.y);
    expect(zoomAt(fit, centre, 1e-6, fit).scale).toBeCloseTo(fit.scale / 2);
    expect(zoomAt(fit, centre, 1e6, fit).scale).toBe(40);
  });

  it("never leaves the stage", () => {
    const view = panBy(fitView(stage, frame), -9999, 9999, stage, frame);
    expect(view.x + frame.width * view.scale).toBeCloseTo(60);
    expect(view.y).toBeCloseTo(440);
  });

  it("bounds boxes and points", () => {
    expect(boxBetween({ x: 50, y: 400 }, { x: -10, y: 20 }, frame)).toEqual([0, 20, 50, 340]);
    expect(
      [
        { x: 0, y: 0 },
        { x: 639.9, y: 1 },
        { x: 640, y: 1 },
        { x: -0.1, y: 1 },
      ].map((at) => isInside(at, frame)),
    ).toEqual([true, true, false, false]);
  });
});

describe("labels on the stage", () => {
  const widthOf = (text: string) => 10 * [...text].length;

  it.each([
    ["ball", 40, "ball"],
    ["middle cup", 90, "middle c…"],
    ["middle cup", 80, "middle…"],
    ["🐶🐶🐶", 20, "🐶…"],
    ["dog", 0, "d…"],
  ])("shortens %j to %d pixels", (text, width, expected) => {
    expect(shorten(text, width, widthOf)).toBe(expected);
  });
});

describe("a phrase that detects nothing", () => {
  it.each([
    [[], /^Track to look for it on the other frames/],
    [["zebra"], /^This model does not know the word “zebra”\. Click on the object/],
    [["zebra", "okapi"], /does not know the words “zebra”, “okapi”/],
  ])("unknown words %j", (words, expected) => {
    expect(noneFound(words)).toMatch(expected);
  });
});

describe("marks of an earlier page", () => {
  it("are those that are well-formed", () => {
    const marks: PromptMark[] = [
      { frame: 3, objectId: 0, kind: "points", points: [{ x: 1.5, y: 2, label: 0 }] },
      { frame: 3, objectId: 1, kind: "box", box: [1, 2, 3, 4] },
      { frame: 0, objectId: 1, kind: "mask" },
    ];
    const damaged = [
      ...[null, 7, {}, { ...marks[0], frame: -1 }, { ...marks[0], points: [{ x: 1, y: 2, label: 3 }] }],
      ...[
        { ...marks[0], points: [null] },
        { ...marks[1], box: [1, 2, 3] },
        { ...marks[2], kind: "line" },
      ],
    ];
    expect(readMarks(JSON.parse(JSON.stringify([...marks, ...damaged])))).toEqual(marks);
    expect(readMarks(undefined)).toEqual([]);
  });
});

describe("painting", () => {
  const drawn = ({ data, width }: { data: Uint8Array; width: number }) =>
    Array.from({ length: data.length / width }, (_, y) => data.subarray(y * width, (y + 1) * width).join(""));

  it("sets the pixels whose centre is within the radius of the line", () => {
    const mask = emptyMask(7, 4);
    paintLine(mask, { x: 1.5, y: 1.5 }, { x: 4.5, y: 1.5 }, 0.5, 1);
    expect(drawn(mask)).toEqual(["0000000", "0111100", "0000000", "0000000"]);
    paintLine(mask, { x: 3.5, y: 1.5 }, { x: 3.5, y: 1.5 }, 1, 1);
    expect(drawn(mask)).toEqual(["0001000", "0111100", "0001000", "0000000"]);
  });

  it("erases, and stays inside of the frame", () => {
    const mask = emptyMask(3, 2);
    paintLine(mask, { x: -5, y: -5 }, { x: 9, y: 9 }, 20, 1);
    expect(drawn(mask)).toEqual(["111", "111"]);
    expect(isEmpty(mask)).toBe(false);
    paintLine(mask, { x: -5, y: 0 }, { x: 9, y: 0 }, 20, 0);
    expect(isEmpty(mask)).toBe(true);
  });
});

describe("the plan of a run", () => {
  const plan = (fields: Partial<RunPlan>): RunPlan => ({
    ...{ direction: "forward", scope: "all", start: 10, end: 20 },
    ...fields,
  });

  it("is sent as the fields of a propagation", () => {
    expect(fieldsOf(plan({}))).toEqual({
      ...{ propagation_direction: "forward", start_frame_index: 10, max_frame_num_to_track: 10 },
    });
    // Backward leaves the start frame out.
    expect(fieldsOf(plan({ direction: "backward", start: 10, end: 3 }))).toEqual({
      ...{ propagation_direction: "backward", start_frame_index: 11, max_frame_num_to_track: 8 },
    });
    expect(fieldsOf(plan({ direction: "both", objectIds: [4, 7] }))).toEqual({
      ...{ propagation_direction: "both", start_frame_index: 10, obj_ids: [4, 7] },
    });
    expect(fieldsOf(plan({ scope: "affected", objectIds: [4] }))).toEqual({ scope: "affected" });
  });

  it("goes on behind the last frame, with the same objects", () => {
    expect(restOf(plan({ objectIds: [4] }), 14, 100)).toEqual(plan({ objectIds: [4], start: 15 }));
    expect(restOf(plan({}), 20, 100)).toBeUndefined();
    const backward = plan({ direction: "backward", start: 10, end: 3 });
    expect(restOf(backward, 7, 100)).toEqual({ ...backward, start: 6 });
    expect(restOf(backward, 3, 100)).toBeUndefined();
    const both = plan({ direction: "both" });
    expect(restOf(both, 50, 100)).toEqual({ ...both, direction: "forward", start: 51, end: 99 });
    expect(restOf(both, 99, 100)).toEqual({ ...both, direction: "backward", start: 9, end: 0 });
    expect(restOf(both, 4, 100)).toEqual({ ...both, direction: "backward", start: 3, end: 0 });
    expect(restOf(both, 0, 100)).toBeUndefined();
  });

  it("is paused, continued and ended", async () => {
    const sent: object[] = [];
    const seen: [number, readonly number[] | undefined][] = [];
    let isCancelled = false;
    const message = (frame_index: number) => ({
      ...{ type: "frame", frame_index, timestamp_us: 0 },
      outputs: { out_obj_ids: [], out_probs: [], out_boxes_xywh: [], out_states: [] },
    });
    const client = {
      async *propagate(fields: { start_frame_index: number; max_frame_num_to_track: number }) {
        sent.push(fields);
        isCancelled = false;
        for (let at = 0; at <= fields.max_frame_num_to_track && !isCancelled; at++)
          yield message(fields.start_frame_index + at);
        return { cancelled: isCancelled };
      },
      async cancel() {
        isCancelled = true;
      },
    };
    let ends = 0;
    const run = createRun({
      client: client as never,
      numFrames: 30,
      onFrame({ frame }, objectIds) {
        seen.push([frame, objectIds]);
        if (frame === 12) void run.pause();
      },
      onEnd: async () => void ends++,
    });
    const first = run.start(plan({ objectIds: [2] }));
    await expect(run.start(plan({}))).rejects.toThrow("a run is in progress");
    await first;
    expect(run.state.value).toEqual({ kind: "paused", rest: plan({ start: 13, objectIds: [2] }) });
    await run.resume();
    expect(run.state.value).toEqual({ kind: "idle" });
    expect(seen).toEqual(Array.from({ length: 11 }, (_, at) => [10 + at, [2]]));
    expect(sent[1]).toMatchObject({ start_frame_index: 13, max_frame_num_to_track: 7, obj_ids: [2] });
    expect(ends).toBe(2);
  });

  it("to here starts at the nearest frame", () => {
    const lane = (...frames: number[]) => {
      const flags = new Uint8Array(20);
      for (const frame of frames) flags[frame] = FLAG.prompt;
      return { flags, state: new Uint8Array(20), score: new Uint8Array(20) };
    };
    const isPrompt = ({ flags }: { flags: Uint8Array }, at: number) => flags[at] === FLAG.prompt;
    expect(nearest([lane(2, 9), lane(15)], 9, isPrompt)).toBe(15);
    expect(nearest([lane(2, 9)], 18, isPrompt)).toBe(9);
    expect(nearest([lane(9)], 9, isPrompt)).toBeUndefined();
    expect(nearest([], 9, isPrompt)).toBeUndefined();
  });
});

describe("keys", () => {
  const press = (key: string, held: string = "") => ({
    key,
    ctrlKey: held.includes("c"),
    metaKey: held.includes("m"),
    altKey: held.includes("a"),
    shiftKey: held.includes("s"),
  });
  it.each([
    [press("z", "c"), "Ctrl+Z"],
    [press("Z", "cs"), "Ctrl+Shift+Z"],
    [press("z", "m"), "Ctrl+Z"],
    [press("?", "s"), "?"],
    [press("+", "s"), "+"],
    [press(" ", "s"), "Shift+Space"],
    [press("ArrowLeft", "s"), "Shift+ArrowLeft"],
    [press("f"), "F"],
    [press("Enter", "ca"), "Ctrl+Alt+Enter"],
  ])("%j is %s", (event, name) => expect(keyName(event)).toBe(name));
});

describe("files before they are sent", () => {
  const file = (name: string, size = 1000, type = "") => ({ name, size, type });
  it.each([
    [[file("a.MP4")], { kind: "file", name: "a.MP4" }],
    [[file("frames.tar.gz")], { kind: "file", name: "frames.tar.gz" }],
    [[file("clip", 5, "video/x-odd")], { kind: "file", name: "clip" }],
    [[file("1.jpg"), file("2.jpg"), file("notes.txt")], { kind: "pictures", name: "2 pictures" }],
    [[file("1.jpg"), file("notes.txt")], { kind: "pictures", name: "1 picture" }],
    [[], { kind: "refused", title: "Nothing was dropped" }],
    [[file("a.mp4", 0)], { kind: "refused", title: "a.mp4 is empty" }],
    [[file("a.mp4", 2e9)], { kind: "refused", title: "2.0 GB is too large" }],
    [[file("1.jpg", 6e8), file("2.jpg", 6e8)], { kind: "refused", title: "1.2 GB is too large" }],
    [[file("report.pdf")], { kind: "refused", title: "report.pdf is not a video" }],
    [[file("a.mp4"), file("b.mov")], { kind: "refused", title: "Several videos at once" }],
    [[file("a.txt"), file("b.txt")], { kind: "refused", title: "The folder has no pictures" }],
  ])("%j", (files, expected) => expect(checkFiles(files, 1e9)).toMatchObject(expected));
});

describe("masks as pixels", () => {
  it("are painted from their runs, with opaque edges, over earlier ones", () => {
    const rows = ["......", ".####.", ".####.", ".####.", "......"];
    const bits = Uint8Array.from(rows.join(""), (cell) => Number(cell === "#"));
    const mask = packMask(encodeMask(bits, 6, 5));
    const pixels = new Uint32Array(30);
    const frame = { width: 6, height: 5 };
    paintMask(pixels, frame, { mask, colour: "#ff8000", opacity: 0.5 });
    const [edge, inside] = [pixelOf("#ff8000", 1), pixelOf("#ff8000", 0.5)];
    expect(new Uint8Array(Uint32Array.of(inside).buffer)).toEqual(Uint8Array.of(255, 128, 0, 128));
    expect([...pixels]).toEqual(
      [...rows.join("")].map((cell, at) => (cell === "." ? 0 : Math.floor(at / 6) === 2 ? inside : edge)),
    );
    const other = packMask(
      encodeMask(
        Uint8Array.from(bits, (_, at) => Number(at === 14)),
        6,
        5,
      ),
    );
    paintMask(pixels, frame, { mask: other, colour: "#0000ff", opacity: 0.5 });
    expect(pixels[14]).toBe(pixelOf("#0000ff", 1));
    expect(() => paintMask(pixels, { width: 5, height: 6 }, { mask, colour: "#000000", opacity: 1 })).toThrow(
      "expected 5 × 6 pixels, got 6 × 5",
    );
  });
});
