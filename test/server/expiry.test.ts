import { expect, test } from "vitest";
import { watchExpiry } from "../../server/expiry.js";
import { createFakeClock } from "../helpers/fake-clock.js";

function watch(isBusy = () => false) {
  const clock = createFakeClock();
  const events: string[] = [];
  const expiry = watchExpiry({
    clock,
    timeoutMs: 1000,
    warningMs: 100,
    isBusy,
    onWarning: (left) => events.push(`${clock.nowMs()}: ${left} left`),
    onExpire: () => events.push(`${clock.nowMs()}: expired`),
  });
  return { clock, events, expiry };
}

test("warns, then expires after the time without use", () => {
  const { clock, events } = watch();
  clock.advance(5000);
  expect(events).toEqual(["900: 100 left", "1000: expired"]);
});

test("restarts the timeout with every use, also after the warning", () => {
  const { clock, events, expiry } = watch();
  clock.advance(800);
  expiry.touch();
  clock.advance(850);
  expect(events).toEqual([]);
  clock.advance(100);
  expect(events).toEqual(["1700: 100 left"]);
  expiry.touch();
  clock.advance(999);
  expect(events).toEqual(["1700: 100 left", "2650: 100 left"]);
  clock.advance(1);
  expect(events.at(-1)).toBe("2750: expired");
});

test("does not count time while the session is busy", () => {
  let busy = true;
  const { clock, events } = watch(() => busy);
  clock.advance(10_000);
  expect(events).toEqual([]);
  busy = false;
  clock.advance(2000);
  expect(events.at(-1)).toMatch(/expired$/);
});

test("calls nothing once stopped", () => {
  const { clock, events, expiry } = watch();
  expiry.stop();
  clock.advance(5000);
  expect(events).toEqual([]);
});

test("calls nothing once stopped by its own warning", () => {
  const clock = createFakeClock();
  const events: string[] = [];
  const expiry = watchExpiry({
    clock,
    timeoutMs: 1000,
    warningMs: 100,
    isBusy: () => false,
    onWarning: () => {
      events.push("warned");
      expiry.stop();
    },
    onExpire: () => events.push("expired"),
  });
  clock.advance(5000);
  expect(events).toEqual(["warned"]);
});
