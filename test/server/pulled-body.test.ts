import { expect, test } from "vitest";
import { pulledBody } from "../../server/http/reader.js";

test("a reader who leaves while a part is made causes no failure, and ends the parts", async () => {
  let make = () => {};
  let hasEnded = false;
  async function* parts() {
    try {
      yield new Uint8Array([1]);
      await new Promise<void>((resolve) => {
        make = resolve;
      });
      yield new Uint8Array([2]);
    } finally {
      hasEnded = true;
    }
  }
  const failures: unknown[] = [];
  const body = await pulledBody(parts(), (error) => {
    failures.push(error);
    return error as Error;
  });
  const reader = body.getReader();
  expect((await reader.read()).value).toEqual(new Uint8Array([1]));
  const waiting = reader.read();
  // The part is being made.
  await new Promise((resolve) => setImmediate(resolve));
  const left = reader.cancel();
  make();
  await Promise.all([left, waiting]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(failures).toEqual([]);
  expect(hasEnded).toBe(true);
});
