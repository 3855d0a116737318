import { describe, expect, it } from "vitest";
import type { BankSnapshot, MemoryKind } from "../../memory/bank.js";
import { encodeMask } from "../../protocol/rle.js";
import { withoutOverruled } from "../../tracker/overruled.js";
import { type Bench, createBench, createWorld, kinds, SIDE } from "./scripted-world.js";

function boxMask([left, top, width, height]: readonly [number, number, number, number]) {
  const bits = new Uint8Array(SIDE * SIDE);
  for (let y = top; y < top + height; y++) bits.fill(1, y * SIDE + left, y * SIDE + left + width);
  return encodeMask(bits, SIDE, SIDE);
}

const entry = (frameIndex: number, kind: MemoryKind = "prompted") => ({
  frameIndex,
  kind,
  memory: new Float32Array(0),
  pointer: new Float32Array(0),
  maskLogits: new Float32Array(0),
  score: 1,
  present: true,
});
const framesOf = (entries: readonly { frameIndex: number }[]) => entries.map(({ frameIndex }) => frameIndex);

describe("the memories that remain after corrections", () => {
  const content: BankSnapshot = {
    conditioning: [entry(0, "born"), entry(5), entry(20), entry(40), entry(44, "reconditioned")],
    recent: [entry(18, "recent"), entry(22, "recent"), entry(42, "recent")],
    pointers: [],
  };
  const remain = (prompts: [number, { overrules?: true }][], frame: number) => {
    const { conditioning, recent } = withoutOverruled(content, new Map(prompts), frame);
    return [framesOf(conditioning), framesOf(recent)];
  };
  const all = [
    [0, 5, 20, 40, 44],
    [18, 22, 42],
  ];

  it("are all of them while no prompt contradicts the track", () => {
    expect(
      remain(
        [
          [5, {}],
          [20, {}],
          [40, {}],
        ],
        30,
      ),
    ).toEqual(all);
    expect(remain([], 30)).toEqual(all);
  });

  it("are those of the correction and of newer prompts, up to the next prompt on either side", () => {
    const prompts: [number, { overrules?: true }][] = [
      [5, {}],
      [40, {}],
      [20, { overrules: true }],
    ];
    expect(remain(prompts, 30)).toEqual([
      [20, 44],
      [22, 42],
    ]);
    expect(remain(prompts, 10)).toEqual([[20], [18]]);
    expect(remain(prompts, 3)).toEqual(all);
    expect(remain(prompts, 50)).toEqual(all);
    const newer: typeof prompts = [
      [5, {}],
      [20, { overrules: true }],
      [40, {}],
    ];
    expect(remain(newer, 30)).toEqual([
      [20, 40, 44],
      [22, 42],
    ]);
  });

  it("are all of them when the bank has dropped the memory of the correction", () => {
    expect(remain([[30, { overrules: true }]], 35)).toEqual([[44], [42]]);
    const { conditioning } = withoutOverruled(
      { ...content, conditioning: [entry(5)] },
      new Map([
        [5, {}],
        [30, { overrules: true as const }],
      ]),
      35,
    );
    expect(framesOf(conditioning)).toEqual([5]);
  });
});

describe.each(["compact", "masklet"] as const)("a correction under %s", (preset) => {
  const near = (x: number, y: number) => [(x + 0.5) / SIDE, (y + 0.5) / SIDE] as const;
  const click = (bench: Bench, frame: number, point: readonly [number, number]) =>
    bench.tracker.prompt(bench.frame(frame), {
      kind: "object",
      objectId: 0,
      points: [point],
      labels: [1],
      clearOldPoints: true,
      clearOldBoxes: true,
    });
  const open = () =>
    createBench(
      createWorld([
        { label: 1, kind: kinds.ball as number, at: (frame) => [2 + frame, 2, 6, 6] },
        { label: 2, kind: kinds.box as number, at: (frame) => [2 + frame, 20, 6, 6] },
      ]),
      { life: { hotstartDelay: 0 } },
      undefined,
      preset,
    );
  const labelsOf = async (bench: Bench, first: number, last: number) =>
    [...(await bench.run(first, last))].map(([frame, result]) => bench.labels(frame, result)[0]);

  it("is followed on both sides up to the next prompts, in every pass", async () => {
    const bench = open();
    await click(bench, 0, near(4, 4));
    await bench.run(0, 8);
    await bench.tracker.prompt(bench.frame(4), {
      kind: "object",
      objectId: 0,
      points: [],
      labels: [],
      mask: boxMask([6, 20, 6, 6]),
      clearOldPoints: true,
      clearOldBoxes: true,
    });
    expect(await labelsOf(bench, 0, 8)).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 2]);
    expect(await labelsOf(bench, 8, 1)).toEqual(Array(8).fill(2));
  });

  it("that agrees with the track leaves the older prompts in effect", async () => {
    const bench = open();
    await click(bench, 0, near(4, 4));
    await click(bench, 4, near(8, 4));
    bench.calls.length = 0;
    expect(await labelsOf(bench, 5, 6)).toEqual([1, 1]);
    const memories = bench.calls.find(({ role }) => role === "track")?.inputs.memory?.dims[1];
    expect(memories).toBeGreaterThanOrEqual(2);
  });

  it.each([
    ["leaves the older prompts in effect where the object is nearly hidden", [4, 2], [4, 2], true],
    ["overrules the older prompts where the track has nearly lost a visible object", [4, 2], [6, 6], false],
    ["overrules the older prompts where the track has another object", [6, 6], [4, 2], false],
  ] as const)("%s", async (_, [width, height], corrected, isKept) => {
    const bench = createBench(
      createWorld([
        {
          label: 1,
          kind: kinds.ball as number,
          at: (frame) => (frame === 4 ? [6, 2, width, height] : [2 + frame, 2, 6, 6]),
        },
      ]),
      { life: { hotstartDelay: 0 } },
      undefined,
      preset,
    );
    await click(bench, 0, near(4, 4));
    await bench.run(0, 4);
    await bench.tracker.prompt(bench.frame(4), {
      kind: "object",
      objectId: 0,
      points: [],
      labels: [],
      mask: boxMask([6, 20, ...corrected]),
      clearOldPoints: true,
      clearOldBoxes: true,
    });
    bench.calls.length = 0;
    await bench.run(5, 5);
    const memories = bench.calls.find(({ role }) => role === "track")?.inputs.memory?.dims[1] as number;
    // The memory of the correction alone, or earlier ones as well.
    expect(memories > 1).toBe(isKept);
  });

  it("does not compare the object with masks of prompts that were overruled", async () => {
    const bench = createBench(
      createWorld([
        { label: 1, kind: kinds.ball as number, at: () => [2, 2, 13, 13] },
        { label: 2, kind: kinds.box as number, at: () => [2, 20, 6, 6] },
      ]),
      { life: { hotstartDelay: 0 } },
      undefined,
      preset,
    );
    const correct = (frame: number, left: number) =>
      bench.tracker.prompt(bench.frame(frame), {
        kind: "object",
        objectId: 0,
        points: [],
        labels: [],
        mask: boxMask([left, 20, 6, 6]),
        clearOldPoints: true,
        clearOldBoxes: true,
      });
    await click(bench, 0, near(8, 8));
    await bench.run(0, 2);
    await correct(2, 2);
    await bench.run(2, 6);
    await correct(6, 20);
    bench.calls.length = 0;
    await bench.run(7, 7);
    expect(bench.calls.find(({ role }) => role === "track")?.inputs.memory?.dims[1]).toBe(1);
  });
});
