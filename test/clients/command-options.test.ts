import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTrackJob, type TrackArguments } from "../../clients/command/track-options.js";
import { planTrack } from "../../clients/command/track-plan.js";
import type { VideoFacts } from "../../protocol/index.js";

const video: VideoFacts = {
  session_id: "s",
  kind: "video",
  width: 640,
  height: 360,
  num_frames: 50,
  fps: 25,
  start_time_us: 0,
  duration_s: 2,
};

const plan = (given: TrackArguments, facts = video) => planTrack(readTrackJob("clip.mp4", given), facts);

const fieldsOf = (given: TrackArguments) => plan(given).prompts.map(({ fields }) => fields);

describe("the prompts of a job", () => {
  it("create one object per box", () => {
    expect(fieldsOf({ box: ["10,20,30,40", "50.5,60,7,8"] })).toEqual([
      { frame_index: 0, rel_coordinates: false, obj_id: 0, bounding_boxes: [[10, 20, 30, 40]] },
      { frame_index: 0, rel_coordinates: false, obj_id: 1, bounding_boxes: [[50.5, 60, 7, 8]] },
    ]);
  });

  it("create one object of all points, which are on it by default", () => {
    expect(fieldsOf({ point: ["1,2", "3,4,0", "5, 6, 1"], at: "7" })).toEqual([
      {
        frame_index: 7,
        rel_coordinates: false,
        obj_id: 0,
        points: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        point_labels: [1, 0, 1],
      },
    ]);
  });

  it("apply points to the object of a single box, and to an object of their own beside several boxes", () => {
    const refined = fieldsOf({ box: ["10,20,30,40"], point: ["15,25", "11,21,0"] });
    expect(refined).toMatchObject([{ obj_id: 0, bounding_boxes: [[10, 20, 30, 40]], point_labels: [1, 0] }]);
    const separate = fieldsOf({ box: ["10,20,30,40", "100,20,30,40"], point: ["15,25"] });
    expect(separate.map(({ obj_id, points }) => [obj_id, points !== undefined])).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ]);
  });

  it("place objects before phrases, whose objects get the remaining ids", () => {
    const { prompts } = plan({ text: [" red circle ", "dog"], box: ["10,20,30,40"] });
    expect(prompts.map(({ fields }) => fields.text ?? fields.obj_id)).toEqual([0, "red circle", "dog"]);
  });
});

describe("coordinates of the command line", () => {
  it.each<[string, TrackArguments, string]>([
    ["pixels", { box: ["415,165,130,180"] }, "box 415,165 130x180 px"],
    ["fractions of the frame", { box: ["0.1,0.1,0.3,0.4"] }, "box 64,36 192x144 px"],
    ["the whole frame", { box: ["0,0,1,1"] }, "box 0,0 640x360 px"],
    ["pixels with a fraction", { box: ["0.5,0.5,30,40"] }, "box 0.5,0.5 30x40 px"],
    ["a pixel at the corner", { point: ["0,0"] }, "point 0,0 px on the object"],
    ["a relative point", { point: ["0.5,1"] }, "point 320,360 px on the object"],
    [
      "a box with points",
      { box: ["0.5,0.5,0.25,0.25"], point: ["0.6,0.6", "321,181,0"] },
      "box 320,180 160x90 px with point 384,216 px on the object, point 321,181 px off the object",
    ],
    ["a phrase", { text: ["red circle"] }, 'phrase "red circle"'],
  ])("may be %s", (_name, given, description) => {
    expect(plan(given).prompts.map((prompt) => prompt.description)).toEqual([description]);
  });

  it("are sent as pixels", () => {
    expect(fieldsOf({ box: ["0.25,0.5,0.5,0.25"], point: ["0.5,0.6,1"] })).toMatchObject([
      { bounding_boxes: [[160, 180, 320, 90]], points: [[320, 216]], rel_coordinates: false },
    ]);
  });

  it("are refused outside the frame also as fractions", () => {
    expect(() => plan({ box: ["0.8,0,0.3,0.5"] })).toThrow(
      /^--box: .*inside the 640x360 video, got 0.8,0,0.3,0.5/,
    );
  });
});

describe("the propagations of a job", () => {
  const propagations = (given: TrackArguments) => plan({ text: ["dog"], ...given }).propagations;

  it("go forward from frame 0, and both ways from any other", () => {
    expect(propagations({})).toEqual([{ start_frame_index: 0, propagation_direction: "forward" }]);
    expect(propagations({ at: "9" })).toEqual([{ start_frame_index: 9, propagation_direction: "both" }]);
    expect(propagations({ at: "9", direction: "forward" })).toMatchObject([
      { propagation_direction: "forward" },
    ]);
  });

  it("include the prompted frame when going backward", () => {
    expect(propagations({ at: "9", direction: "backward" })).toEqual([
      { start_frame_index: 9, propagation_direction: "forward", max_frame_num_to_track: 0 },
      { start_frame_index: 9, propagation_direction: "backward" },
    ]);
  });

  it("send each frame of the range once", () => {
    const cases = fc
      .record({
        total: fc.integer({ min: 1, max: 60 }),
        direction: fc.constantFrom("forward", "backward", "both"),
      })
      .chain((one) => fc.record({ ...constants(one), at: fc.integer({ min: 0, max: one.total - 1 }) }));
    fc.assert(
      fc.property(cases, ({ total, direction, at }) => {
        const { propagations: legs, frameCount } = plan(
          { text: ["dog"], at: String(at), direction },
          { ...video, num_frames: total },
        );
        const sent = legs.flatMap((leg) => framesOnTheWire(leg, total));
        const wanted = Array.from({ length: total }, (_, frame) => frame).filter(
          (frame) => direction === "both" || (direction === "forward" ? frame >= at : frame <= at),
        );
        expect([...sent].sort((a, b) => a - b)).toEqual(wanted);
        expect(frameCount).toBe(wanted.length);
      }),
    );
  });
});

function constants<T extends object>(values: T) {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fc.constant(value)])) as {
    [K in keyof T]: fc.Arbitrary<T[K]>;
  };
}

/** The ranges that PROTOCOL.md specifies: backward excludes its start frame. */
function framesOnTheWire(leg: ReturnType<typeof plan>["propagations"][number], total: number): number[] {
  const { start_frame_index: start = 0, max_frame_num_to_track: most = total, propagation_direction } = leg;
  const forward = Array.from({ length: total }, (_, frame) => frame).filter(
    (frame) => frame >= start && frame <= start + most,
  );
  const backward = Array.from({ length: start }, (_, step) => start - 1 - step).filter(
    (frame) => frame >= start - most,
  );
  return [
    ...(propagation_direction === "backward" ? [] : forward),
    ...(propagation_direction === "forward" ? [] : backward),
  ];
}

describe("an invalid job", () => {
  it.each<[string, TrackArguments, RegExp]>([
    ["no prompt", {}, /Nothing to track.*--text, --box or --point/],
    ["a box of three numbers", { box: ["1,2,3"] }, /^--box: expected X,Y,W,H.*got "1,2,3"/],
    ["a box with a hole", { box: ["1,,3,4"] }, /^--box: expected X,Y,W,H.*got "1,,3,4"/],
    ["a box of words", { box: ["1,2,a,4"] }, /^--box: .*got "1,2,a,4"/],
    ["an infinite box", { box: ["0,0,Infinity,4"] }, /^--box: .*got "0,0,Infinity,4"/],
    ["an empty box", { box: ["5,5,0,4"] }, /^--box: expected a width and a height above 0.*"5,5,0,4"/],
    ["a box beyond the right edge", { box: ["600,0,41,10"] }, /^--box: .*inside the 640x360.*600,0,41,10/],
    ["a box above the top", { box: ["0,-1,10,10"] }, /^--box: .*inside the 640x360.*0,-1,10,10/],
    ["a lonely coordinate", { point: ["7"] }, /^--point: expected X,Y.*got "7"/],
    ["a label of 2", { point: ["7,8,2"] }, /^--point: .*got "7,8,2"/],
    ["a point below the picture", { point: ["7,361"] }, /^--point: .*inside the 640x360.*7,361/],
    [
      "only points off the object",
      { point: ["7,8,0"] },
      /^--point: expected at least one point on the object/,
    ],
    ["an empty phrase", { text: [" "] }, /^--text: expected a phrase/],
    ["a frame after the last", { text: ["dog"], at: "50" }, /^--at: expected 0 to 49.*got 50/],
    ["half a frame", { text: ["dog"], at: "1.5" }, /^--at: .*got "1.5"/],
    ["a direction of its own", { text: ["dog"], direction: "up" }, /^--direction: .*forward, backward.*"up"/],
    ["an unknown kind of file", { text: ["dog"], render: "a.gif" }, /^--render: .*\.mp4.*got "a.gif"/],
    ["an address without a scheme", { text: ["dog"], server: "here" }, /^--server: .*ws:\/\/.*got "here"/],
  ])("is rejected in one sentence: %s", (_name, given, sentence) => {
    let message = "";
    try {
      plan(given);
    } catch (error) {
      expect(error).toHaveProperty("name", "UsageError");
      message = (error as Error).message;
    }
    expect(message).toMatch(sentence);
    expect(message).not.toContain("\n");
  });
});

it("boxes of fractions that reach the edge of the frame stay inside it", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4096 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (width, x) => {
        // plan() rejects a box outside the frame.
        const [{ bounding_boxes: [box] = [] } = {}] = plan(
          { box: [`${x},0,${1 - x},1`] },
          { ...video, width },
        ).prompts.map(({ fields }) => fields);
        expect((box?.[0] ?? 0) + (box?.[2] ?? 0)).toBe(width);
      },
    ),
    { examples: [[25, 3.5527136788005016e-16]] },
  );
});
