/** Edits of objects that are tracked already, on a session over the scripted world. */
import { describe, expect, it } from "vitest";
import { type CocoRle, encodeMask, maskBox } from "../../protocol/rle.js";
import type { Edit } from "../../tracker/edits/edit.js";
import type { FrameOutput } from "../../tracker/frame-output.js";
import type { PresetName } from "../../tracker/presets.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { pass, type Request, send } from "./requests.js";
import { createBench, createWorld, type Instance, kinds, SIDE } from "./scripted-world.js";

const FRAMES = 20;

const mover = (label: number, kind: string, x: number, y: number, speed: number): Instance => ({
  label,
  kind: kinds[kind] as number,
  at: (frame) => [x + speed * frame, y, 6, 6],
});

/** A ball and a box that move right, in different rows. */
const world = createWorld([mover(1, "ball", 2, 4, 1), mover(2, "box", 2, 24, 1)]);

interface Opened {
  session: TrackingSession;
  send(request: Request): Promise<unknown>;
  edit(edit: Edit): Promise<unknown>;
  /** Steps through a pass. @returns the objects of each frame, by id: the left edge of the mask in pixels */
  run(first: number, last: number): Promise<Map<number, Record<number, number>>>;
  outputs(): ReadonlyMap<number, FrameOutput>;
}

function open(preset: PresetName, scene = world): Opened {
  const { options, frame } = createBench(scene, {}, undefined, preset);
  const session = createTrackingSession({
    tracker: createVideoTracker({ ...options, numFrames: FRAMES }),
    policy: options.policy,
    run: options.run,
    m: SIDE,
    video: { width: SIDE, height: SIDE },
    numFrames: FRAMES,
  });
  const seen = new Map<number, FrameOutput>();
  const request = (one: Request) => send(session, frame, one);
  return {
    session,
    send: request,
    edit: (edit) => request({ do: "edit", edit }),
    async run(first, last) {
      const outputs: FrameOutput[] = [];
      const [begin, ...steps] = pass(first, last, first);
      const { mode } = (await request(begin as Request)) as { mode: string };
      for (const step of steps as { frame: number }[]) {
        if (mode === "fetch") outputs.push(session.fetch(step.frame));
        else outputs.push(...((await request(step as Request)) as FrameOutput[]));
      }
      for (const output of outputs) seen.set(output.frameIndex, output);
      return new Map(outputs.map((output) => [output.frameIndex, leftEdges(output)]));
    },
    outputs: () => seen,
  };
}

function leftEdges({ objects }: FrameOutput): Record<number, number> {
  return Object.fromEntries(objects.map(({ objectId, mask }) => [objectId, maskBox(mask)[0]]));
}

/** A rectangle at the size of the video. */
function rectangle(x0: number, y0: number, side: number): CocoRle {
  const bits = new Uint8Array(SIDE * SIDE);
  for (let y = y0; y < y0 + side; y++) bits.fill(1, y * SIDE + x0, y * SIDE + x0 + side);
  return encodeMask(bits, SIDE, SIDE);
}

/** A session in which the ball is object 1 and the box is object 2, prompted on frame 0 and tracked to the end. */
async function tracked(preset: PresetName): Promise<Opened> {
  const opened = open(preset);
  // The preset sam3 accepts clicks on visited frames only.
  if (preset === "sam3") await opened.send({ do: "phrase", frame: 0, text: "orb" });
  if (preset === "sam3") await opened.run(0, FRAMES - 1);
  const [ball, box] = preset === "sam3" ? [0, 2] : [1, 2];
  if (preset !== "sam3")
    await opened.send({ do: "click", frame: 0, point: [5 / SIDE, 7 / SIDE], objectId: ball });
  await opened.send({ do: "click", frame: 0, point: [5 / SIDE, 27 / SIDE], objectId: box });
  await opened.run(0, FRAMES - 1);
  return opened;
}

const presets: PresetName[] = ["compact", "masklet", "sam3"];
const idOfBall = (preset: PresetName) => (preset === "sam3" ? 0 : 1);

/** Makes the next propagation run the model, under presets that would otherwise return stored frames. */
const retrack = (opened: Opened, objectId: number) =>
  opened.send({ do: "click", frame: 0, point: [5 / SIDE, 7 / SIDE], objectId });

describe.each(presets)("locked frames under the preset %s", (preset) => {
  const ball = idOfBall(preset);

  it("show exactly the locked mask in every pass, forward and backward", async () => {
    const opened = await tracked(preset);
    const mask = rectangle(30, 30, 5);
    await opened.edit({ kind: "lock", masks: [{ objectId: ball, frameIndex: 9, mask, prob: 0.25 }] });
    expect(opened.session.describe().objects.find(({ objectId }) => objectId === ball)?.locked).toEqual([
      [9, 9],
    ]);
    for (const [first, last] of [
      [0, FRAMES - 1],
      [FRAMES - 1, 0],
    ] as const) {
      await retrack(opened, ball);
      await opened.run(first, last);
      const shown = opened
        .outputs()
        .get(9)
        ?.objects.find(({ objectId }) => objectId === ball);
      expect(shown).toMatchObject({ mask, prob: 0.25 });
    }
  });

  it("condition the frames after them", async () => {
    const opened = await tracked(preset);
    // On frame 9 the locked mask covers the box instead of the ball.
    const masks = [8, 9].map((frameIndex) => ({
      objectId: ball,
      frameIndex,
      mask: rectangle(2 + frameIndex, 24, 6),
      prob: 1,
    }));
    await opened.edit({ kind: "absent", objectId: 2, firstFrame: 0, lastFrame: FRAMES - 1, absent: true });
    await opened.edit({ kind: "lock", masks });
    await retrack(opened, ball);
    await opened.run(0, FRAMES - 1);
    const rowOn = (frame: number) =>
      maskBox(
        opened
          .outputs()
          .get(frame)
          ?.objects.find(({ objectId }) => objectId === ball)?.mask as CocoRle,
      )[1];
    expect([rowOn(7), rowOn(9)]).toEqual([4, 24]);
    if (preset === "compact") expect(rowOn(10)).toBe(24);
  });

  it("reject prompts until they are unlocked", async () => {
    const opened = await tracked(preset);
    const mask = rectangle(11, 4, 6);
    await opened.edit({ kind: "lock", masks: [{ objectId: ball, frameIndex: 9, mask, prob: 1 }] });
    const click: Request = { do: "click", frame: 9, point: [14 / SIDE, 7 / SIDE], objectId: ball };
    await expect(opened.send(click)).rejects.toMatchObject({ code: "invalid_field", field: "frame_index" });
    await opened.edit({ kind: "unlock", objectIds: [ball], firstFrame: 0, lastFrame: 9 });
    await expect(opened.send(click)).resolves.toMatchObject({ objectId: ball });
  });
});

describe.each(presets)("absent frames under the preset %s", (preset) => {
  const ball = idOfBall(preset);
  const absent = { kind: "absent", objectId: ball, firstFrame: 6, lastFrame: 9, absent: true } as const;

  it("have no mask, and the object is tracked on both sides", async () => {
    const opened = await tracked(preset);
    await opened.edit(absent);
    const shown = await opened.run(0, FRAMES - 1);
    const frames = [...shown].flatMap(([frame, objects]) => (ball in objects ? [frame] : []));
    expect(frames).toEqual([...Array(6).keys(), ...Array.from({ length: 10 }, (_, at) => at + 10)]);
    expect(shown.get(12)?.[ball]).toBe(14);
    expect([...shown.values()].every((objects) => 2 in objects)).toBe(true);
  });

  it("are tracked again when the mark is removed", async () => {
    const opened = await tracked(preset);
    await opened.edit(absent);
    await opened.edit({ ...absent, absent: false });
    const shown = await opened.run(0, FRAMES - 1);
    expect(shown.get(8)?.[ball]).toBe(10);
  });

  it("end where the user prompts the object", async () => {
    const opened = await tracked(preset);
    await opened.edit(absent);
    await opened.send({ do: "click", frame: 8, point: [13 / SIDE, 7 / SIDE], objectId: ball });
    expect(opened.session.describe().objects.find(({ objectId }) => objectId === ball)?.absent).toEqual([
      [6, 7],
    ]);
    const shown = await opened.run(0, FRAMES - 1);
    const frames = [5, 6, 7, 8, 9].filter((frame) => ball in (shown.get(frame) ?? {}));
    expect(frames).toEqual([5, 8, 9]);
  });

  it("cannot be locked frames", async () => {
    const opened = await tracked(preset);
    await opened.edit({
      kind: "lock",
      masks: [{ objectId: ball, frameIndex: 7, mask: rectangle(9, 4, 6), prob: 1 }],
    });
    await expect(opened.edit(absent)).rejects.toMatchObject({
      code: "invalid_field",
      message: `first_frame_index: object ${ball} is locked on frame 7. Unlock it first.`,
    });
  });
});

it("tracks each side of absent frames from its own prompts", async () => {
  const opened = await tracked("compact");
  // From frame 12 on, the object is the box.
  await opened.edit({ kind: "absent", objectId: 1, firstFrame: 8, lastFrame: 10, absent: true });
  await opened.send({ do: "click", frame: 12, point: [17 / SIDE, 27 / SIDE], objectId: 1 });
  await opened.send({ do: "remove", objectId: 2 });
  const rows = new Map<number, number>();
  for (const [first, last] of [
    [0, FRAMES - 1],
    [12, 0],
  ] as const) {
    await opened.run(first, last);
    for (const [frame, { objects }] of opened.outputs())
      if (objects[0]) rows.set(frame, maskBox(objects[0].mask)[1]);
  }
  expect([0, 7, 11, 12, 19].map((frame) => rows.get(frame))).toEqual([4, 4, 24, 24, 24]);
});

it("tracks swapped look-alikes from the memories of each side", async () => {
  // Two balls in one row each; they touch on no frame, and both are within the search radius of the other.
  const twins = createWorld([mover(1, "ball", 2, 10, 1), mover(2, "ball", 2, 20, 1)]);
  const opened = open("compact", twins);
  await opened.send({ do: "click", frame: 0, point: [5 / SIDE, 13 / SIDE], objectId: 1 });
  await opened.send({ do: "click", frame: 0, point: [5 / SIDE, 23 / SIDE], objectId: 2 });
  await opened.run(0, FRAMES - 1);
  await opened.edit({ kind: "swap", objectId: 1, otherId: 2, frameIndex: 8 });
  const masks = [
    { objectId: 1, mask: rectangle(10, 20, 6) },
    { objectId: 2, mask: rectangle(10, 10, 6) },
  ];
  await opened.send({ do: "anchor", frame: 8, masks });
  for (const [first, last] of [
    [0, FRAMES - 1],
    [FRAMES - 1, 0],
  ] as const) {
    await opened.run(first, last);
    const rows = [...opened.outputs()].map(([frame, { objects }]) => [
      frame,
      ...objects.map(({ mask }) => maskBox(mask)[1]),
    ]);
    expect(rows.sort(([a = 0], [b = 0]) => a - b)).toEqual(
      Array.from({ length: FRAMES }, (_, frame) => (frame < 8 ? [frame, 10, 20] : [frame, 20, 10])),
    );
  }
});

describe.each(presets)("edits of identities under the preset %s", (preset) => {
  const ball = idOfBall(preset);

  it("split an object in time", async () => {
    const opened = await tracked(preset);
    const { newObjectId } = (await opened.edit({ kind: "split", objectId: ball, frameIndex: 8 })) as {
      newObjectId: number;
    };
    await opened.send({
      do: "anchor",
      frame: 8,
      masks: [{ objectId: newObjectId, mask: rectangle(10, 4, 6) }],
    });
    await opened.send({ do: "click", frame: 0, point: [5 / SIDE, 27 / SIDE], objectId: 2 });
    const shown = await opened.run(0, FRAMES - 1);
    const framesOf = (id: number) => [...shown].flatMap(([frame, objects]) => (id in objects ? [frame] : []));
    expect(framesOf(ball)).toEqual([...Array(8).keys()]);
    expect(framesOf(newObjectId)).toEqual(Array.from({ length: 12 }, (_, at) => at + 8));
  });

  it("swap two objects from a frame on", async () => {
    const opened = await tracked(preset);
    await opened.edit({ kind: "swap", objectId: ball, otherId: 2, frameIndex: 8 });
    const masks = [
      { objectId: ball, mask: rectangle(10, 24, 6) },
      { objectId: 2, mask: rectangle(10, 4, 6) },
    ];
    await opened.send({ do: "anchor", frame: 8, masks });
    await retrack(opened, ball);
    await opened.send({ do: "click", frame: 0, point: [5 / SIDE, 27 / SIDE], objectId: 2 });
    await opened.run(0, FRAMES - 1);
    const rows = (frame: number) =>
      Object.fromEntries(
        (opened.outputs().get(frame)?.objects ?? []).map(({ objectId, mask }) => [
          objectId,
          maskBox(mask)[1],
        ]),
      );
    expect(rows(7)).toEqual({ [ball]: 4, 2: 24 });
    expect(rows(8)).toEqual({ [ball]: 24, 2: 4 });
  });

  it("merge objects into one", async () => {
    const opened = await tracked(preset);
    const result = await opened.edit({ kind: "merge", objectId: ball, otherIds: [2], locks: [] });
    expect(result).toEqual({ removedIds: [2] });
    expect(opened.session.describe().objectIds).toEqual([ball]);
    const shown = await opened.run(0, FRAMES - 1);
    expect([...shown.values()].every((objects) => Object.keys(objects).join() === String(ball))).toBe(true);
  });

  it("reject unknown and repeated objects, and change nothing", async () => {
    const opened = await tracked(preset);
    const before = opened.session.describe();
    const codes: [Edit, string, string][] = [
      [
        { kind: "merge", objectId: ball, otherIds: [2, 9], locks: [] },
        "object_not_found",
        "other_obj_ids[1]",
      ],
      [{ kind: "merge", objectId: ball, otherIds: [ball], locks: [] }, "invalid_field", "other_obj_ids[0]"],
      [{ kind: "merge", objectId: ball, otherIds: [2, 2], locks: [] }, "invalid_field", "other_obj_ids[1]"],
      [{ kind: "split", objectId: 9, frameIndex: 3 }, "object_not_found", "obj_id"],
      [{ kind: "split", objectId: ball, newObjectId: 2, frameIndex: 3 }, "invalid_field", "new_obj_id"],
      [{ kind: "swap", objectId: ball, otherId: ball, frameIndex: 3 }, "invalid_field", "other_obj_id"],
      [{ kind: "swap", objectId: ball, otherId: 9, frameIndex: 3 }, "object_not_found", "other_obj_id"],
      [
        { kind: "absent", objectId: 9, firstFrame: 1, lastFrame: 2, absent: true },
        "object_not_found",
        "obj_id",
      ],
      [{ kind: "unlock", objectIds: [ball, 9], firstFrame: 1, lastFrame: 2 }, "object_not_found", "obj_id"],
      [{ kind: "removeConcept", concept: "cone" }, "concept_not_found", "concept"],
    ];
    for (const [edit, code, field] of codes)
      await expect(opened.edit(edit)).rejects.toMatchObject({ code, field });
    expect(opened.session.describe()).toEqual(before);
  });
});

it.each(presets)("a removed concept is no longer detected under the preset %s", async (preset) => {
  const opened = open(preset);
  await opened.send({ do: "phrase", frame: 0, text: "ball" });
  await opened.send({ do: "phrase", frame: 0, text: "box" });
  await opened.run(0, FRAMES - 1);
  const { objects } = opened.session.describe();
  const balls = objects.filter(({ concept }) => concept === "ball").map(({ objectId }) => objectId);
  expect(await opened.edit({ kind: "removeConcept", concept: " Ball " })).toEqual({ removedIds: balls });
  expect(opened.session.describe().concepts).toEqual(["box"]);
  const shown = await opened.run(0, FRAMES - 1);
  for (const ids of shown.values()) expect(Object.keys(ids)).toHaveLength(1);
});
