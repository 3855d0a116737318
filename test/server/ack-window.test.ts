import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAckWindow } from "../../server/ack-window.js";
import { createAckedStreams } from "../../server/acked-streams.js";

const never = new AbortController().signal;

/** Sends frames while the window has room, at most `limit`; returns how many. */
async function fill(window: ReturnType<typeof createAckWindow>, limit: number): Promise<number> {
  let sent = 0;
  while (sent < limit) {
    const abort = new AbortController();
    const room = window.room(abort.signal);
    if (window.isWaiting) {
      abort.abort();
      expect(await room).toBe(false);
      return sent;
    }
    expect(await room).toBe(true);
    window.sent();
    sent++;
  }
  return sent;
}

describe("an acknowledgement window", () => {
  it("never has more frames in flight than its size, and always sends when it has fewer", async () => {
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ ackShare: fc.double({ min: 0, max: 1, noNaN: true }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.array(step), async (size, steps) => {
        const window = createAckWindow({ size });
        let sent = 0;
        let acknowledged = 0;
        for (const one of steps) {
          if ("send" in one) {
            const before = sent;
            sent += await fill(window, one.send);
            expect(sent - before).toBe(Math.min(one.send, size - (before - acknowledged)));
          } else {
            // Includes numbers below the last one, as in repeated and late acknowledgements.
            const numFrames = Math.floor(one.ackShare * sent);
            window.acknowledge(numFrames);
            acknowledged = Math.max(acknowledged, numFrames);
          }
        }
      }),
    );
  });

  it("wakes the sender when an acknowledgement makes room, not before", async () => {
    const states: boolean[] = [];
    const window = createAckWindow({ size: 2, onWaiting: () => states.push(window.isWaiting) });
    expect(await fill(window, 2)).toBe(2);
    let isAwake = false;
    const room = window.room(never).then((hasRoom) => {
      isAwake = true;
      return hasRoom;
    });
    window.acknowledge(0);
    await Promise.resolve();
    expect({ isAwake, isWaiting: window.isWaiting }).toEqual({ isAwake: false, isWaiting: true });
    window.acknowledge(1);
    expect(await room).toBe(true);
    expect(states).toEqual([true, false]);
  });

  it("refuses an acknowledgement of frames that were not sent, and keeps its state", async () => {
    const window = createAckWindow({ size: 2 });
    await fill(window, 2);
    expect(() => window.acknowledge(3)).toThrow(
      "num_frames: expected at most 2, the frames sent so far, got 3",
    );
    expect(await fill(window, 1)).toBe(0);
  });

  it("reports no room when it is aborted while full", async () => {
    const window = createAckWindow({ size: 1 });
    await fill(window, 1);
    expect(await window.room(AbortSignal.abort())).toBe(false);
    const abort = new AbortController();
    const room = window.room(abort.signal);
    abort.abort();
    expect(await room).toBe(false);
    expect(window.isWaiting).toBe(false);
  });
});

describe("the streams of a session", () => {
  const stream = () => createAckWindow({ size: 1 });

  it("are found by their request id, and known for a while after their end", () => {
    const streams = createAckedStreams();
    const one = stream();
    const end = streams.begin("1", one);
    expect(streams.find("1")).toBe(one);
    end();
    expect(streams.find("1")).toBeNull();
    for (let id = 2; id < 100; id++) streams.begin(String(id), stream())();
    expect(streams.find("1")).toBeUndefined();
    expect(streams.find("99")).toBeNull();
  });
});
