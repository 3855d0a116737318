import { describe, expect, it } from "vitest";
import { type FrameFeatures, float32 } from "../../detector/graph.js";
import { createFeatureCache, MAX_PREPARED_FRAMES } from "../../tracker/feature-cache.js";
import type { Frame } from "../../tracker/model.js";

const frame = (index: number): Frame => ({ index, rgb: new Uint8Array(3) });

/**
 * A cache over a scripted encoder. `encoded` lists its calls: `3` for frame 3, `3+` with a trunk. The encoding of a frame in
 * `failing` fails once.
 */
function setUp() {
  const encoded: string[] = [];
  const failing = new Set<number>();
  const cache = createFeatureCache({
    async encode({ index }, withTrunk): Promise<FrameFeatures> {
      encoded.push(withTrunk ? `${index}+` : `${index}`);
      if (failing.delete(index)) throw new Error(`frame ${index} failed`);
      const level = float32([1], Float32Array.of(index));
      return { feat: level, feat_s1: level, feat_s0: level, ...(withTrunk && { trunk: level }) };
    },
  });
  const get = async (index: number, withTrunk = false) => {
    const { feat, trunk } = await cache.get(frame(index), withTrunk);
    return [feat.data[0], trunk !== undefined];
  };
  return { cache, encoded, failing, get };
}

describe("the features of a frame", () => {
  it("are kept for the last requested frame", async () => {
    const { encoded, get } = setUp();
    expect(await get(1)).toEqual([1, false]);
    expect(await get(1)).toEqual([1, false]);
    await get(2);
    await get(1);
    expect(encoded).toEqual(["1", "2", "1"]);
  });

  it("are encoded again when the detector needs a trunk that they lack, and only then", async () => {
    const { cache, encoded, get } = setUp();
    await get(1);
    expect(await get(1, true)).toEqual([1, true]);
    await get(1);
    cache.prepare(frame(2), false);
    expect(await get(2, true)).toEqual([2, true]);
    expect(encoded).toEqual(["1", "1+", "2", "2+"]);
  });

  it("are encoded once for a prepared frame", async () => {
    const { cache, encoded, get } = setUp();
    for (const withTrunk of [true, false, true]) cache.prepare(frame(1), withTrunk);
    expect(await get(1, true)).toEqual([1, true]);
    cache.prepare(frame(1), true);
    expect(encoded).toEqual(["1+"]);
  });

  it("are kept for the newest prepared frames", async () => {
    const { cache, encoded, get } = setUp();
    const kept = Array.from({ length: MAX_PREPARED_FRAMES }, (_, index) => index + 1);
    for (const index of [0, ...kept]) cache.prepare(frame(index), false);
    for (const index of [...kept, 0]) await get(index);
    expect(encoded).toEqual([0, ...kept, 0].map(String));
  });

  it("are kept for a prepared frame during a prompt on another frame", async () => {
    const { cache, encoded, get } = setUp();
    cache.prepare(frame(5), false);
    await get(0);
    await get(5);
    expect(encoded).toEqual(["5", "0"]);
  });

  it("reject the request when encoding fails, and are then encoded again", async () => {
    const { cache, encoded, failing, get } = setUp();
    failing.add(1);
    cache.prepare(frame(1), false);
    await expect(get(1)).rejects.toThrow("frame 1 failed");
    expect(await get(1)).toEqual([1, false]);
    expect(encoded).toEqual(["1", "1"]);
  });

  it("are dropped on request", async () => {
    const { cache, encoded, get } = setUp();
    await get(0);
    cache.prepare(frame(1), false);
    cache.forgetPrepared();
    await get(0);
    await get(1);
    cache.clear();
    await get(1);
    expect(encoded).toEqual(["0", "1", "1", "1"]);
  });
});
