import { expect, test } from "vitest";
import { prefetch } from "../../server/prefetch.js";

const never = new AbortController().signal;

function source(count: number, failAt = Number.POSITIVE_INFINITY) {
  const state = { made: 0, ended: false, signal: never };
  async function* make() {
    try {
      for (let i = 0; i < count; i++) {
        if (i === failAt) throw new Error(`no ${i}`);
        state.made++;
        yield i;
      }
    } finally {
      state.ended = true;
    }
  }
  const open = (signal: AbortSignal) => {
    state.signal = signal;
    return make();
  };
  return { state, open };
}

/** Runs all pending work that needs no timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("yields all items in order", async () => {
  const seen: number[] = [];
  for await (const item of prefetch(source(7).open, 2, never)) seen.push(item);
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("requests at most its depth ahead of a slow consumer", async () => {
  const { state, open } = source(100);
  const ahead = prefetch(open, 2, never);
  await ahead.next();
  await settle();
  expect(state.made).toBe(3);
  await ahead.next();
  await settle();
  expect(state.made).toBe(4);
});

test("throws a failure of the source after the items before it", async () => {
  const ahead = prefetch(source(9, 2).open, 2, never);
  expect((await ahead.next()).value).toBe(0);
  await settle();
  expect((await ahead.next()).value).toBe(1);
  await expect(ahead.next()).rejects.toThrow("no 2");
});

test("ends the source when the loop ends early", async () => {
  const { state, open } = source(100);
  for await (const _ of prefetch(open, 2, never)) break;
  expect(state.ended).toBe(true);
});

test("aborts the signal of the source when the loop ends early, which ends a source that waits", async () => {
  async function* waiting(signal: AbortSignal) {
    yield 1;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }
  for await (const _ of prefetch(waiting, 2, never)) break;
});

test("ends the source on the signal although no further item is requested", async () => {
  const { state, open } = source(100);
  const stop = new AbortController();
  await prefetch(open, 2, stop.signal).next();
  stop.abort();
  await settle();
  expect(state.ended).toBe(true);
});
