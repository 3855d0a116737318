import { expect, test } from "vitest";
import { FIXED_LIMITS } from "../../../protocol/index.js";
import { paced } from "../../../server/uploads/pace.js";
import { createFakeClock, type FakeClock } from "../../helpers/fake-clock.js";

const lagMs = FIXED_LIMITS.uploadLagMs.value;

/** Sends chunks at an interval; resolves with the time at which the sender is too slow, or undefined. */
async function send(options: {
  minBytesPerS: number;
  chunkBytes: number;
  everyMs: number;
  forMs: number;
  /** Time that the consumer takes for each chunk. */
  consumerMs?: number;
}): Promise<number | undefined> {
  const { minBytesPerS, chunkBytes, everyMs, forMs, consumerMs = 0 } = options;
  const clock: FakeClock = createFakeClock();
  let endedAtMs: number | undefined;
  async function* body() {
    while (clock.nowMs() < forMs && endedAtMs === undefined) {
      clock.advance(everyMs);
      yield Buffer.alloc(chunkBytes);
    }
  }
  const onTooSlow = () => {
    endedAtMs = clock.nowMs();
  };
  for await (const _ of paced(body(), { minBytesPerS, clock, onTooSlow })) clock.advance(consumerMs);
  return endedAtMs;
}

const hour = 3_600_000;

test.each([
  ["a byte every 15 s", { chunkBytes: 1, everyMs: 15_000 }],
  ["nothing at all", { chunkBytes: 1, everyMs: hour }],
])("ends a sender of %s as soon as it is too far behind", async (_, sender) => {
  const endedAtMs = await send({ minBytesPerS: 1024, forMs: hour, ...sender });
  expect(endedAtMs).toBeGreaterThanOrEqual(lagMs);
  expect(endedAtMs).toBeLessThan(lagMs + 100);
});

test.each([
  ["a mobile network of 5 KB/s", { chunkBytes: 1400, everyMs: 280 }],
  ["exactly the least rate", { chunkBytes: 1024, everyMs: 1000 }],
  ["bursts of 40 KB with pauses of 30 s", { chunkBytes: 40_000, everyMs: 30_000 }],
])("does not end %s", async (_, sender) => {
  expect(await send({ minBytesPerS: 1024, forMs: hour, ...sender })).toBeUndefined();
});

test("a fast beginning does not pay for an endless pause", async () => {
  const clock = createFakeClock();
  let endedAtMs: number | undefined;
  async function* body() {
    yield Buffer.alloc(1_000_000_000);
    clock.advance(hour);
  }
  const onTooSlow = () => {
    endedAtMs = clock.nowMs();
  };
  for await (const _ of paced(body(), { minBytesPerS: 1024, clock, onTooSlow }));
  expect(endedAtMs).toBe(lagMs);
});

test("time in which the consumer does not read does not count", async () => {
  const slowDisk = { chunkBytes: 64, everyMs: 10, consumerMs: 60_000 };
  expect(await send({ minBytesPerS: 1024, forMs: hour, ...slowDisk })).toBeUndefined();
});

test("0 permits any rate", async () => {
  expect(await send({ minBytesPerS: 0, chunkBytes: 1, everyMs: 60_000, forMs: hour })).toBeUndefined();
});
