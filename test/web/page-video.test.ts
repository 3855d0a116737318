/** The video of the page: which picture is frame n, what is decoded next, and what stays in memory. */
import { describe, expect, it, vi } from "vitest";
import { createDecodeQueue, type DecodedFrame } from "../../clients/web/video/decode-queue.js";
import { createFrameCache } from "../../clients/web/video/frame-cache.js";
import type { FramePicture } from "../../clients/web/video/frame-picture.js";
import { frameAtTime, frameOfTime, matchTimes } from "../../clients/web/video/frame-times.js";

const times = (...ms: number[]) => ms.map((one) => one * 1000);

describe("frame times", () => {
  it("find the frame that is displayed at a time", () => {
    const frames = times(0, 40, 97, 120);
    expect([-1, 0, 39.999, 40, 96, 97, 119, 5000].map((ms) => frameAtTime(frames, ms * 1000))).toEqual([
      -1, 0, 0, 1, 1, 2, 2, 3,
    ]);
    expect(frameAtTime([], 7)).toBe(-1);
  });

  it("identify a decoded picture by its time, within the rounding", () => {
    const frames = times(0, 33.367, 66.733);
    expect(frameOfTime(frames, 33_000, 1000)).toBe(1);
    expect(frameOfTime(frames, 67_700, 1000)).toBe(2);
    expect(frameOfTime(frames, 50_000, 1000)).toBeUndefined();
    expect(frameOfTime(frames, 100_100, 1000)).toBeUndefined();
  });

  it("agree in any order of packets, and wherever time 0 is", () => {
    const match = matchTimes(times(0, 40, 80, 120), times(7500, 7580, 7540, 7620));
    expect(match).toEqual({ timesUs: Float64Array.from(times(7500, 7540, 7580, 7620)) });
    expect(matchTimes([], [])).toEqual({ timesUs: new Float64Array() });
  });

  it("leave out the pictures that an edit list hides", () => {
    const server = times(0, 40, 80);
    expect(matchTimes(server, times(-80, -40, 0, 40, 80))).toEqual({ timesUs: Float64Array.from(server) });
    expect(matchTimes(server, times(0, 40, 80, 120))).toEqual({ timesUs: Float64Array.from(server) });
  });

  it.each([
    ["fewer pictures", times(0, 40), /^the browser counts 2 pictures, the server 3$/],
    ["another distance", times(0, 40, 90), /^the times of frame 2 differ by 10000 µs$/],
    ["more pictures with other times", times(20, 60, 100, 140), /counts 4 pictures.*frame 0 differ/],
    [
      "more pictures that end too early",
      times(-80, -40, 0, 40),
      /^the browser counts 4 pictures, the server 3$/,
    ],
  ])("refuse %s", (_, browser, reason) => {
    expect(matchTimes(times(0, 40, 80), browser)).toEqual({ reason: expect.stringMatching(reason) });
  });

  it("refuse frames that have one time in the browser", () => {
    const reason = "frames 1 and 2 have one time in the browser";
    expect(matchTimes(times(0, 40, 41), times(0, 40, 40))).toEqual({ reason });
  });
});

const decoded: number[] = [];
const closed: number[] = [];
function picture(frame: number): FramePicture {
  decoded.push(frame);
  return {
    ...{ width: 4, height: 4, bytes: 10 },
    draw() {},
    close: () => void closed.push(frame),
  };
}

describe("the cache of pictures", () => {
  it("drops the pictures farthest from the frame in use, and closes each once", () => {
    closed.length = 0;
    const cache = createFrameCache(30);
    const arrived: number[] = [];
    const stop = cache.onPicture((frame) => arrived.push(frame));
    for (const frame of [1, 2, 50]) cache.put(frame, picture(frame), 2);
    cache.put(3, picture(3), 2);
    // Dropped at once: it is the farthest.
    cache.put(70, picture(70), 2);
    expect(arrived).toEqual([1, 2, 50, 3]);
    stop();
    expect([1, 2, 3, 50].map(cache.has)).toEqual([true, true, true, false]);
    cache.put(2, picture(2), 2);
    expect(arrived).toHaveLength(4);
    expect(closed).toEqual([50, 70, 2]);
    expect(cache.bytes).toBe(30);
    expect([cache.nearest(40), cache.nearest(1), cache.nearest(-5)]).toEqual([3, 1, 1]);
    cache.clear();
    expect(closed).toEqual([50, 70, 2, 1, 3, 2]);
    expect([cache.bytes, cache.nearest(1)]).toEqual([0, undefined]);
  });
});

describe("the decode queue", () => {
  /** Key frames every 10 of 100 frames. `log` lists what the decoder was asked for. */
  function setUp(maxBytes = 1000) {
    const log: string[] = [];
    let open = 0;
    const queue = createDecodeQueue({
      numFrames: 100,
      keyFrames: Array.from({ length: 10 }, (_, at) => 10 * at),
      maxBytes,
      async *read(first): AsyncGenerator<DecodedFrame, void, unknown> {
        log.push(`read ${first}`);
        open++;
        try {
          for (let frame = first; frame < 100; frame++) yield { frame, picture: picture(frame) };
        } finally {
          open--;
        }
      },
      async readKey(frame) {
        log.push(`key ${frame}`);
        return { frame, picture: picture(frame) };
      },
    });
    return { queue, log, readers: () => open };
  }
  const never = new AbortController().signal;

  it("decodes from the key frame before, and goes on with the same reader", async () => {
    const { queue, log } = setUp();
    await queue.get(24, never);
    await queue.get(27, never);
    await queue.get(21, never);
    expect(log).toEqual(["key 20", "read 20"]);
    await queue.get(29, never);
    await queue.get(31, never);
    expect(log).toEqual(["key 20", "read 20"]);
    await queue.get(5, never);
    expect(log.slice(2)).toEqual(["key 0", "read 0"]);
    await queue.dispose();
  });

  it("shows pictures on the way, nearer and nearer", async () => {
    const { queue } = setUp();
    const arrived: number[] = [];
    const stop = queue.onPicture((frame) => arrived.push(frame));
    await queue.get(43, never);
    expect(arrived[0]).toBe(40);
    expect(arrived.at(-1)).toBe(43);
    expect(queue.nearest(99)).toBe(43);
    stop();
    await queue.get(44, never);
    expect(arrived.at(-1)).toBe(43);
    await queue.dispose();
  });

  it("serves the latest request first, and rejects aborted ones", async () => {
    const { queue, log } = setUp();
    const first = new AbortController();
    const passed = queue.get(59, first.signal);
    const wanted = queue.get(81, never);
    first.abort(new Error("scrubbed past"));
    await expect(passed).rejects.toThrow("scrubbed past");
    await wanted;
    expect(log).toContain("read 80");
    expect(queue.peek(59)).toBeUndefined();
    await expect(queue.get(3, AbortSignal.abort(new Error("too late")))).rejects.toThrow("too late");
    await queue.dispose();
  });

  it("loads frames ahead in both directions, within the bound", async () => {
    const { queue } = setUp(300);
    await queue.get(50, never);
    queue.prefetch(50, 1);
    await vi.waitFor(() => expect(queue.peek(74)).toBeDefined());
    queue.prefetch(50, -1);
    await vi.waitFor(() => expect(queue.peek(36)).toBeDefined());
    const held = Array.from({ length: 100 }, (_, frame) => queue.peek(frame)).filter(Boolean);
    expect(held.length).toBeLessThanOrEqual(30);
    await queue.dispose();
  });

  it("reports frames that the decoder leaves out, and goes on", async () => {
    const queue = createDecodeQueue({
      ...{ numFrames: 6, keyFrames: [0], maxBytes: 1000 },
      async *read() {
        for (const frame of [0, 1, 3, 4]) yield { frame, picture: picture(frame) };
      },
      readKey: async () => undefined,
    });
    await expect(queue.get(2, never)).rejects.toThrow("left out frame 2");
    await expect(queue.get(5, never)).rejects.toThrow("no picture for frame 5");
    await queue.get(4, never);
    await queue.dispose();
  });

  it("ends its reader, closes all pictures, and rejects pending requests", async () => {
    closed.length = 0;
    decoded.length = 0;
    const { queue, readers } = setUp();
    await queue.get(2, never);
    expect(readers()).toBe(1);
    const waiting = queue.get(90, never).catch((error: Error) => error.name);
    await queue.dispose();
    expect(await waiting).toBe("AbortError");
    expect(readers()).toBe(0);
    expect(decoded.length).toBeGreaterThanOrEqual(3);
    expect(closed.toSorted()).toEqual(decoded.toSorted());
  });
});
