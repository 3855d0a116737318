import { expect, it } from "vitest";
import { type EmissionBuffer, type EmissionRules, emit, emptyBuffer } from "../../tracker/emission.js";

/** Emits frames one by one; `removed` lists the ids that each frame removes. */
function run(
  frames: readonly number[],
  removed: Record<number, number[]>,
  rules: Partial<EmissionRules> = {},
) {
  const all = { delay: 3, reverse: false, lastFrame: -1, ...rules };
  let buffer: EmissionBuffer<null> = emptyBuffer();
  const hidden: Record<number, number[]> = {};
  const sizes: number[] = [];
  for (const frameIndex of frames) {
    const hiding = { removed: removed[frameIndex] ?? [], suppressed: [], unconfirmed: [] };
    const emission = emit(buffer, { frameIndex, frame: null, hiding }, all);
    buffer = emission.buffer;
    sizes.push(buffer.removed.size);
    for (const emitted of emission.emitted) hidden[emitted.frameIndex] = [...emitted.hidden];
  }
  return { hidden, sizes };
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, index) => index);

it("hides a removed object on every frame that still waits, and on no later frame", () => {
  const { hidden, sizes } = run(upTo(8), { 4: [7] });
  expect(hidden).toEqual({ 0: [], 1: [], 2: [7], 3: [7], 4: [7], 5: [], 6: [] });
  // Frame 4 leaves the buffer together with the record of the removal.
  expect(sizes).toEqual([0, 0, 0, 0, 1, 1, 0, 0, 0]);
});

it("hides a removed object on every waiting frame of a backward pass", () => {
  const { hidden } = run(upTo(8).reverse(), { 4: [7] }, { reverse: true });
  expect(hidden).toEqual({ 8: [], 7: [], 6: [7], 5: [7], 4: [7], 3: [], 2: [] });
});

it("keeps no records of removed objects without a delay", () => {
  const { hidden, sizes } = run(upTo(3), { 1: [7] }, { delay: 0 });
  expect([hidden, sizes]).toEqual([{ 0: [], 1: [], 2: [], 3: [] }, [0, 0, 0, 0]]);
});
