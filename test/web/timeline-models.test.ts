import { describe, expect, it } from "vitest";
import { laneRuns, markPositions } from "../../clients/web/timeline/columns.js";
import {
  FLAG,
  joinRanges,
  type LaneStates,
  runsOf,
  STATE,
  subtractRange,
} from "../../clients/web/timeline/lane-states.js";
import { ticksOf, timeText } from "../../clients/web/timeline/ruler.js";
import { frameSummary, laneSummary } from "../../clients/web/timeline/summary.js";
import {
  fitAll,
  frameAt,
  resized,
  reveal,
  scrollTo,
  visibleFrames,
  xOf,
  zoomAt,
} from "../../clients/web/timeline/view.js";
import { rowWindow } from "../../clients/web/timeline/virtual-rows.js";
import { findLandmark } from "../../clients/web/timeline/walk.js";

function lane(length: number, fill: (states: LaneStates) => void = () => {}): LaneStates {
  const states = {
    state: new Uint8Array(length),
    flags: new Uint8Array(length),
    score: new Uint8Array(length),
  };
  fill(states);
  return states;
}

describe("view", () => {
  it("shows all frames in the given width", () => {
    const view = fitAll(10_000, 1000);
    expect(visibleFrames(view)).toEqual({ first: 0, last: 9999 });
    expect(frameAt(view, 500)).toBe(5000);
    expect(frameAt(view, -20)).toBe(0);
    expect(frameAt(view, 4000)).toBe(9999);
  });

  it("keeps the frame under the pointer when it zooms", () => {
    const zoomed = zoomAt(fitAll(10_000, 1000), 300, 8);
    expect(zoomed.firstFrame + 300 / zoomed.pxPerFrame).toBeCloseTo(3000, 6);
    expect(visibleFrames(zoomed).last - visibleFrames(zoomed).first).toBeLessThanOrEqual(1250);
  });

  it("never shows frames outside the video", () => {
    const out = zoomAt(zoomAt(fitAll(100, 1000), 990, 3), 10, 0.0001);
    expect(out).toMatchObject({ firstFrame: 0, pxPerFrame: 10 });
    expect(scrollTo(zoomAt(fitAll(100, 1000), 0, 2), 500).firstFrame).toBe(50);
  });

  it("reveals a frame without moving when it is visible", () => {
    const zoomed = zoomAt(fitAll(10_000, 1000), 0, 100);
    expect(reveal(zoomed, 5)).toBe(zoomed);
    const moved = reveal(zoomed, 4000);
    expect(xOf(moved, 4000) + moved.pxPerFrame / 2).toBeCloseTo(500, 6);
  });

  it("fills the new width after a resize", () => {
    expect(resized(fitAll(100, 1000), 500)).toEqual(fitAll(100, 500));
    const zoomed = zoomAt(fitAll(100, 1000), 500, 2);
    const wide = resized(zoomed, 4000);
    expect(wide.pxPerFrame).toBe(40);
    expect(wide.firstFrame).toBe(0);
  });
});

describe("ruler", () => {
  it("labels frames at round distances of at least 104 pixels", () => {
    const ticks = ticksOf(fitAll(10_000, 1000), []);
    const labelled = ticks.filter(({ label }) => label);
    expect(labelled.map(({ frame }) => frame)).toEqual([0, 2000, 4000, 6000, 8000]);
    expect(ticks[1]?.frame).toBe(200);
  });

  it("labels every fifth frame when one frame is 48 pixels wide", () => {
    const ticks = ticksOf({ numFrames: 300, widthPx: 480, firstFrame: 12.5, pxPerFrame: 48 }, []);
    expect(ticks.filter(({ label }) => label).map(({ frame }) => frame)).toEqual([15, 20]);
  });

  it.each([
    [0, "0:00.000"],
    [1_501_499, "0:01.501"],
    [59_999_700, "1:00.000"],
    [3_723_040_000, "1:02:03.040"],
    [-33_367, "-0:00.033"],
    [Number.NaN, ""],
    [undefined, ""],
  ])("writes %s microseconds as %j", (us, text) => {
    expect(timeText(us)).toBe(text);
  });
});

describe("columns", () => {
  it("joins frames that look the same", () => {
    const states = lane(100, ({ state, score }) => {
      state.fill(STATE.present, 0, 40);
      score.fill(250, 0, 40);
      state.fill(STATE.occluded, 40, 60);
    });
    const runs = laneRuns(states, fitAll(100, 1000));
    expect(runs).toEqual([
      { x: 0, width: 400, state: STATE.present, flags: 0, score: 255 },
      { x: 400, width: 200, state: STATE.occluded, flags: 0, score: 0 },
      { x: 600, width: 400, state: STATE.none, flags: 0, score: 0 },
    ]);
  });

  it("never hides a single lost or suspect frame among many", () => {
    const states = lane(10_000, ({ state, score, flags }) => {
      state.fill(STATE.present);
      score.fill(255);
      state[5004] = STATE.lost;
      flags[7001] = FLAG.suspect;
      score[9009] = 10;
    });
    const runs = laneRuns(states, fitAll(10_000, 1000));
    expect(runs.filter(({ state }) => state === STATE.lost)).toHaveLength(1);
    expect(runs.find(({ flags }) => flags === FLAG.suspect)).toMatchObject({ x: 700, width: 1 });
    expect(runs.find(({ x }) => x === 900)?.score).toBe(16);
  });

  it("covers exactly the width, also with a fraction of a frame at the left edge", () => {
    const states = lane(1000, ({ state }) => state.fill(STATE.present));
    const view = scrollTo(zoomAt(fitAll(1000, 333), 100, 7.3), 123.4);
    const runs = laneRuns(states, view);
    const [first] = runs;
    const last = runs.at(-1);
    expect(first?.x).toBeLessThanOrEqual(0);
    expect((last?.x ?? 0) + (last?.width ?? 0)).toBeGreaterThanOrEqual(333);
  });

  it("draws marks at a distance", () => {
    const states = lane(1000, ({ flags }) => flags.fill(FLAG.prompt));
    const positions = markPositions(states, fitAll(1000, 100), FLAG.prompt, 10);
    expect(positions).toHaveLength(10);
  });
});

describe("landmarks", () => {
  const lanes = [
    { id: 3, states: lane(50, ({ flags }) => flags.set([FLAG.suspect], 20)) },
    {
      id: 1,
      states: lane(50, ({ flags, state }) => {
        flags.set([FLAG.suspect | FLAG.locked], 10);
        flags.set([FLAG.prompt], 30);
        state.fill(STATE.present, 5, 8);
      }),
    },
  ];

  it.each([
    ["suspect", 0, 1, { frame: 10, objectId: 1 }],
    ["suspect", 10, 1, { frame: 20, objectId: 3 }],
    ["suspect", 49, -1, { frame: 20, objectId: 3 }],
    ["suspect", 20, 1, undefined],
    ["prompt", 30, -1, undefined],
    ["prompt", 0, 1, { frame: 30, objectId: 1 }],
    ["change", 0, 1, { frame: 5, objectId: 1 }],
    ["change", 5, 1, { frame: 8, objectId: 1 }],
    ["change", 8, -1, { frame: 5, objectId: 1 }],
  ] as const)("finds the %s from %i by %i", (kind, from, step, found) => {
    expect(findLandmark(lanes, kind, from, step)).toEqual(found);
  });
});

describe("ranges", () => {
  it("finds runs", () => {
    expect(runsOf(Uint8Array.of(1, 1, 0, 1), (value) => value === 1)).toEqual([
      { first: 0, last: 1 },
      { first: 3, last: 3 },
    ]);
  });

  it("joins ranges that touch and cuts ranges", () => {
    const joined = joinRanges([
      { first: 8, last: 9 },
      { first: 0, last: 3 },
      { first: 4, last: 5 },
    ]);
    expect(joined).toEqual([
      { first: 0, last: 5 },
      { first: 8, last: 9 },
    ]);
    expect(subtractRange(joined, { first: 2, last: 8 })).toEqual([
      { first: 0, last: 1 },
      { first: 9, last: 9 },
    ]);
  });
});

describe("summaries", () => {
  const states = lane(300, ({ state, score, flags }) => {
    state.fill(STATE.present, 0, 240);
    score.fill(237, 0, 240);
    state.fill(STATE.absent, 250, 260);
    flags[17] = FLAG.suspect | FLAG.locked;
    flags[0] = FLAG.prompt;
  });

  it("describes a lane in one sentence", () => {
    expect(laneSummary("ball", states)).toBe(
      "ball: present on 240 of 300 frames, marked absent on frames 250 to 259, 1 suspect frame, " +
        "locked on frame 17, prompts on 1 frame",
    );
  });

  it("describes a frame of a lane", () => {
    expect(frameSummary(states, 17, "position_jump")).toBe(
      "present, score 0.93, suspect: position jump, locked",
    );
    expect(frameSummary(states, 299)).toBe("not computed");
  });
});

it("keeps only the rows near the viewport", () => {
  expect(rowWindow(1000, 28, 2800, 280)).toEqual({ first: 97, end: 113, offsetPx: 97 * 28, totalPx: 28_000 });
  expect(rowWindow(2, 28, 0, 280)).toMatchObject({ first: 0, end: 2 });
});
