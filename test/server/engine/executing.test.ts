import { expect, test } from "vitest";
import { findExecuting } from "../../../server/engine/executing.js";

const call = (session: number | null, takesTurn = true) => ({ session, takesTurn });
const [a, b, c] = [call(1), call(2), call(3)];

test("only the calls of the sessions whose turn it was are blamed for the end of the process", () => {
  expect([...findExecuting([a, b, c], { main: 2 })]).toEqual([b]);
  expect([...findExecuting([a, b, c], { main: 3, encode: 1 })]).toEqual([a, c]);
});

test("a push does not take a turn, so its session's other call is blamed", () => {
  const push = call(1, false);
  expect([...findExecuting([push, b, a], { main: 1 })]).toEqual([a]);
});

test("without a report, or with one about sessions that wait for nothing, the oldest call is blamed", () => {
  expect([...findExecuting([a, b], {})]).toEqual([a]);
  expect([...findExecuting([a, b], { main: 9 })]).toEqual([a]);
  expect([...findExecuting([call(null), b], {})]).toEqual([call(null)]);
  expect([...findExecuting([call(1, false)], {})]).toEqual([call(1, false)]);
  expect([...findExecuting([], { main: 1 })]).toEqual([]);
});
