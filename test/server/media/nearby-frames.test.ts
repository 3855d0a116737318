import { expect, it } from "vitest";
import { ProtocolError } from "../../../protocol/errors.js";
import { readNearbyFrames } from "../../../server/media/nearby-frames.js";
import type { FrameRange, MediaFrame, MediaSource } from "../../../server/media/source.js";

const size = { width: 2, height: 2 };

/** Readings as `first-last`, each with the frames that were delivered; frames of `bad` fail. */
function createBench(numFrames: number, bad: readonly number[] = []) {
  const readings: { range: string; delivered: number[]; isEnded: boolean }[] = [];
  let gate = Promise.resolve();
  async function* frames({
    startFrame,
    count,
    signal,
  }: FrameRange): AsyncGenerator<MediaFrame, void, undefined> {
    const reading = {
      range: `${startFrame}-${startFrame + count - 1}`,
      delivered: [] as number[],
      isEnded: false,
    };
    readings.push(reading);
    try {
      for (let index = startFrame; index < startFrame + count; index++) {
        if (index > startFrame) await gate;
        signal?.throwIfAborted();
        if (bad.includes(index)) throw new ProtocolError("media_unreadable", `Frame ${index} is damaged.`);
        reading.delivered.push(index);
        yield { index, timestampUs: null, rgb: new Uint8Array([index]) };
      }
    } finally {
      reading.isEnded = true;
    }
  }
  const frame = readNearbyFrames({ numFrames }, frames as MediaSource["frames"]);
  return {
    readings,
    ranges: () => readings.map(({ range }) => range),
    read: async (index: number, signal?: AbortSignal) =>
      (await frame(index, { ...size, ...(signal && { signal }) })).index,
    /** Frames behind the first of each reading wait until the returned function is called. */
    hold() {
      let open = () => {};
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return () => open();
    },
  };
}

it("reads the frames after a requested one with the same decoder, and reads on before they end", async () => {
  const bench = createBench(100);
  for (const index of [10, 10, 11, 12, 13, 14]) expect(await bench.read(index)).toBe(index);
  expect(bench.ranges()).toEqual(["10-14", "15-19"]);
  for (const index of [15, 16, 17, 18, 19, 20]) expect(await bench.read(index)).toBe(index);
  expect(bench.ranges()).toEqual(["10-14", "15-19", "20-24"]);
});

it("reads the frames before a requested one while a person goes backward, and none outside of the video", async () => {
  const bench = createBench(12);
  for (const index of [10, 8, 7, 6, 5, 4, 3, 2, 1, 0]) expect(await bench.read(index)).toBe(index);
  expect(bench.ranges()).toEqual(["10-11", "4-8", "0-3"]);
});

it("returns a frame before those after it are decoded, and ends their decoder for another frame", async () => {
  const bench = createBench(100);
  const open = bench.hold();
  expect(await bench.read(10)).toBe(10);
  expect(await bench.read(50)).toBe(50);
  open();
  expect(await bench.read(52)).toBe(52);
  expect(bench.readings[0]).toEqual({ range: "10-14", delivered: [10], isEnded: true });
  expect(await bench.read(11)).toBe(11);
  expect(bench.ranges()).toEqual(["10-14", "50-54", "7-11"]);
});

it("does not fail for damaged frames beside the requested one", async () => {
  const bench = createBench(100, [12, 48]);
  for (const index of [10, 11, 13, 50]) expect(await bench.read(index)).toBe(index);
  await expect(bench.read(12)).rejects.toThrow("Frame 12 is damaged.");
  expect(await bench.read(50)).toBe(50);
  expect(await bench.read(49)).toBe(49);
});

it("ends the decoder when its only caller leaves", async () => {
  const bench = createBench(100);
  const leaving = new AbortController();
  const open = bench.hold();
  expect(await bench.read(10)).toBe(10);
  const waiting = bench.read(11, leaving.signal);
  leaving.abort(new Error("left"));
  await expect(waiting).rejects.toThrow("left");
  open();
  await expect.poll(() => bench.readings[0]?.isEnded).toBe(true);
  expect(await bench.read(11)).toBe(11);
});
