import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createIdleCollection, type IdleCollection } from "../../../server/engine/idle-collection.js";

let collections: number;
let idle: IdleCollection;

beforeEach(() => {
  vi.useFakeTimers();
  collections = 0;
  idle = createIdleCollection(() => collections++);
});
afterEach(() => vi.useRealTimers());

test("collects once after a close, when no call has followed for a while", () => {
  idle.begin();
  idle.end(true);
  vi.advanceTimersByTime(900);
  expect(collections).toBe(0);
  idle.begin();
  vi.advanceTimersByTime(10_000);
  expect(collections).toBe(0);
  idle.end(false);
  vi.advanceTimersByTime(10_000);
  expect(collections).toBe(1);
});

test("collects nothing without a close, nor while other calls run", () => {
  idle.begin();
  idle.end(false);
  vi.advanceTimersByTime(10_000);
  idle.begin();
  idle.begin();
  idle.end(true);
  vi.advanceTimersByTime(10_000);
  expect(collections).toBe(0);
  idle.end(false);
  vi.advanceTimersByTime(10_000);
  expect(collections).toBe(1);
});
