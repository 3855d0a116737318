/** The parts of the adapter for Label Studio that need no server. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clamped, type PercentBox, uprightBox } from "../../server/adapters/label-studio/boxes.js";
import { createFrameClock } from "../../server/adapters/label-studio/frame-clock.js";
import { correctionsOf, keyframesOf, shownBox } from "../../server/adapters/label-studio/keyframes.js";
import { framerateOf, readLabelConfig } from "../../server/adapters/label-studio/label-config.js";
import { notesOf } from "../../server/adapters/label-studio/notes.js";
import { type Keyframe, regionSchema } from "../../server/adapters/label-studio/schemas.js";

describe("frames that Label Studio counts", () => {
  const times = (count: number, fps: number, start = 0, unitUs = 1) =>
    Array.from({ length: count }, (_, at) => start + Math.round((at * 1e6) / fps / unitUs) * unitUs);

  test("frame n is index n - 1 when the rates are equal, whether times are rounded to microseconds or milliseconds", () => {
    for (const fps of [
      8,
      12.5,
      15,
      23.976,
      24000 / 1001,
      24,
      25,
      29.97,
      30000 / 1001,
      30,
      48,
      50,
      59.94,
      60,
      120,
      240,
    ])
      for (const unitUs of [1, 1000]) {
        const clock = createFrameClock(times(20_000, fps, 80_000, unitUs), fps);
        expect(clock.frameCount).toBe(20_000);
        for (let frame = 1; frame <= 20_000; frame++)
          if (clock.indexOf(frame) !== frame - 1)
            expect([fps, unitUs, frame, clock.indexOf(frame)]).toEqual([]);
      }
  });

  test("the rates 29.97 and 30000/1001 are the same for an hour", () => {
    const count = 108_000;
    for (const [file, configured] of [
      [30000 / 1001, 29.97],
      [24000 / 1001, 23.976],
      [60000 / 1001, 59.94],
    ] as const) {
      const clock = createFrameClock(times(count, file), configured, count);
      for (const frame of [1, 2, 1000, 54_321, count]) expect(clock.indexOf(frame)).toBe(frame - 1);
    }
  });

  test("with another rate, the picture at the time to which the page goes", () => {
    // Rounded to 2 ms, and 2 ms further: multiples of a millisecond without fractions.
    const rates = fc.constantFrom(12.5, 15, 24, 24000 / 1001, 25, 29.97, 30000 / 1001, 30, 50, 59.94, 60);
    fc.assert(
      fc.property(rates, rates, fc.integer({ min: 1, max: 500 }), (fps, rate, frame) => {
        const timesUs = times(2000, fps);
        const shownMs = 2 * Math.round((500 * (frame - 1)) / rate) + 2;
        // A picture that begins at this very time depends on the rounding of the page's numbers.
        fc.pre(!timesUs.includes(1000 * shownMs));
        const expected = timesUs.findLastIndex((time) => time <= 1000 * shownMs);
        expect(createFrameClock(timesUs, rate).indexOf(frame)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
    // A picture that begins exactly 1 ms after (n - 1) / 24 s.
    const clock = createFrameClock([0, 41_667, 84_333, 126_000], 24, 4);
    expect([1, 2, 3, 4].map(clock.indexOf)).toEqual([0, 1, 2, 3]);
    // As Chromium showed them: 0.96 s is 960000 microseconds, and 2 + 0.002 s are 2001999.
    expect(createFrameClock(times(60, 25), 24).indexOf(24)).toBe(24);
    expect(createFrameClock(times(60, 24000 / 1001), 24).indexOf(49)).toBe(47);
  });

  test("map by time when the configured rate is another one", () => {
    const clock = createFrameClock(times(50, 25, 80_000), 50, 100);
    expect([1, 2, 3, 4, 99, 100].map(clock.indexOf)).toEqual([0, 0, 1, 1, 49, 49]);
    const slow = createFrameClock(times(60, 30), 24);
    expect(slow.frameCount).toBe(48);
    expect(slow.indexOf(25)).toBe(30);
  });

  test("a frame after the end is the last one; a single picture is one frame", () => {
    expect(createFrameClock(times(10, 25), 25, 12).indexOf(12)).toBe(9);
    expect(createFrameClock([40_000], 25).frameCount).toBe(1);
  });

  test("the rate is a number, seconds a frame, or a field of the task", () => {
    const rateOf = (written: string, data = {}) =>
      framerateOf(readLabelConfig(`<View><Video name="v" value="$video" ${written}/></View>`).media, data);
    expect(rateOf('framerate="29.97"')).toBe(29.97);
    expect(rateOf('frameRate="0.04"')).toBe(25);
    expect(rateOf('framerate="$fps"', { fps: "12.5" })).toBe(12.5);
    for (const written of ["", 'framerate=""', 'framerate="fast"', 'framerate="-3"', 'framerate="$fps"'])
      expect(rateOf(written)).toBe(24);
  });
});

describe("the keyframes of a track", () => {
  const box = (x: number): PercentBox => [x, 10, 20, 30];

  test("end where the object is gone, and start again where it returns", () => {
    const boxes = [box(0), box(1), undefined, undefined, box(50), undefined];
    expect(keyframesOf(boxes, 25).map(({ frame, enabled, x, time }) => [frame, enabled, x, time])).toEqual([
      [1, true, 0, 0.04],
      [2, false, 1, 0.08],
      [5, false, 50, 0.2],
    ]);
  });

  test("show the boxes to a third of a percent, and none where there is none", () => {
    const track = fc.array(
      fc.option(fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 40 }))), {
        nil: undefined,
      }),
      { maxLength: 40 },
    ) as fc.Arbitrary<(PercentBox | undefined)[]>;
    fc.assert(
      fc.property(track, (boxes) => {
        const sequence = keyframesOf(boxes, 25);
        boxes.forEach((expected, at) => {
          const shown = shownBox(sequence, at + 1);
          expect(shown === undefined).toBe(expected === undefined);
          for (const [place, side] of (expected ?? []).entries())
            expect(Math.abs(side - (shown?.[place] ?? Number.NaN))).toBeLessThanOrEqual(0.31);
        });
      }),
    );
  });

  test("are few for a straight path", () => {
    expect(
      keyframesOf(
        Array.from({ length: 200 }, (_, at) => box(at / 4)),
        25,
      ),
    ).toHaveLength(2);
  });
});

describe("corrections", () => {
  const sent = keyframesOf(
    Array.from({ length: 20 }, (_, at): PercentBox | undefined =>
      at < 10 ? [at * at, 10, 20, 20] : undefined,
    ),
    25,
  );

  test("none when a region comes back as it was sent", () => {
    expect(correctionsOf(sent, sent, 20)).toEqual([]);
  });

  test("every keyframe of a region that was drawn", () => {
    const drawn = [{ frame: 3, enabled: true, rotation: 0, x: 1, y: 2, width: 3, height: 4 }];
    expect(correctionsOf(drawn, [], 20)).toEqual([{ frame: 3, box: [1, 2, 3, 4] }]);
  });

  test("a moved keyframe, and a new one between others", () => {
    const moved = sent.map((keyframe, at) => (at === 1 ? { ...keyframe, x: keyframe.x + 5 } : keyframe));
    expect(correctionsOf(moved, sent, 20).map(({ frame }) => frame)).toEqual([sent[1]?.frame]);
    const added = [...sent, { frame: 15, enabled: true, rotation: 0, x: 1, y: 2, width: 3, height: 4 }];
    expect(correctionsOf(added, sent, 20)).toEqual([{ frame: 15, box: [1, 2, 3, 4] }]);
  });

  test("a keyframe after which the object was declared gone", () => {
    const hidden = sent.map((keyframe, at) => (at === 1 ? { ...keyframe, enabled: false } : keyframe));
    const next = sent[2]?.frame ?? 0;
    const [only, ...others] = correctionsOf(hidden, sent, 20);
    expect(others).toEqual([]);
    expect(only?.box).toBeUndefined();
    if (next - (sent[1]?.frame ?? 0) > 1) expect(only?.goneUntil).toBe(next - 1);
    const drawn = [{ frame: 3, enabled: false, rotation: 0, x: 1, y: 2, width: 3, height: 4 }];
    expect(correctionsOf(drawn, [], 20)).toEqual([{ frame: 3, box: [1, 2, 3, 4], goneUntil: 20 }]);
  });

  test("a stretch that was sent as gone and is shown again", () => {
    const { frame: end } = sent.at(-1) as Keyframe;
    expect(sent.at(-1)?.enabled).toBe(false);
    const shown = sent.map((keyframe) => ({ ...keyframe, enabled: true }));
    expect(correctionsOf(shown, sent, 20)).toEqual([{ frame: end, backUntil: 20 }]);
    const [back, ended] = correctionsOf([...shown, { ...(sent.at(-1) as Keyframe), frame: 15 }], sent, 20);
    expect(back).toEqual({ frame: end, backUntil: 20 });
    expect(ended).toMatchObject({ frame: 15, goneUntil: 20 });
    // The end moves to an earlier frame.
    const earlier = sent.slice(0, -1).map((keyframe) => ({ ...keyframe, enabled: keyframe.frame < 5 }));
    expect(correctionsOf(earlier, sent, 20).filter(({ backUntil }) => backUntil !== undefined)).toEqual([]);
  });

  test("a rotated box is the smallest upright one around it, in pixels", () => {
    const size = { width: 200, height: 100 };
    expect(uprightBox([50, 10, 20, 30], 0, size)).toEqual([50, 10, 20, 30]);
    // 40 x 30 pixels around the corner at 100, 10: turned by 90 degrees it reaches 30 pixels to the left and 40 down.
    uprightBox([50, 10, 20, 30], 90, size).forEach((side, at) => {
      expect(side).toBeCloseTo([35, 10, 15, 40][at] as number);
    });
    uprightBox([50, 50, 20, 30], 180, size).forEach((side, at) => {
      expect(side).toBeCloseTo([30, 20, 20, 30][at] as number);
    });
  });
});

test("boxes outside the frame are cut, or none", () => {
  expect(clamped([-10, 50, 30, 100])).toEqual([0, 0.5, 0.2, 0.5]);
  expect(clamped([110, 0, 10, 10])).toBeUndefined();
  expect(clamped([10, 10, 0, 5])).toBeUndefined();
});

describe("a labeling configuration", () => {
  test("of a video", () => {
    const config = readLabelConfig(
      `<View><Labels name="l" toName="v"><Label value="Man" predicted_values="person, man"/><Label value="Dog"/></Labels>
       <Video name="v" value="$video" frameRate="30"/><VideoRectangle name="box" toName="v"/></View>`,
    );
    expect(config.media).toEqual({ tag: "video", name: "v", field: "video", isList: false, framerate: "30" });
    expect(config.labels).toEqual([
      { name: "Man", phrases: ["person", "man"] },
      { name: "Dog", phrases: ["Dog"] },
    ]);
    expect(config.controls.map(({ tag, name }) => [tag, name])).toEqual([
      ["labels", "l"],
      ["videorectangle", "box"],
    ]);
  });

  test("of a sequence of pictures, and of a video without a rate", () => {
    expect(readLabelConfig('<View><Image name="i" valueList="$images"/></View>').media).toMatchObject({
      isList: true,
      field: "images",
    });
    expect(readLabelConfig('<View><Video name="v" value="$v"/></View>').media.framerate).toBe("");
  });

  test.each([
    ["<View>", /expected XML/],
    ["<View/>", /expected a <Video> or an <Image>/],
  ])("%s is refused", (xml, message) => {
    expect(() => readLabelConfig(xml)).toThrow(message);
  });
});

test("the notes of people stay, those of earlier answers go", () => {
  const region = regionSchema.parse({
    type: "videorectangle",
    value: {},
    meta: { text: ["mine", "masklet: old"] },
  });
  expect(notesOf(region, "new")).toEqual({ meta: { text: ["mine", "masklet: new"] } });
  expect(notesOf(region)).toEqual({ meta: { text: ["mine"] } });
  expect(notesOf(regionSchema.parse({ type: "x", value: {} }))).toEqual({});
});
