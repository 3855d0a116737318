import { expect, test } from "vitest";
import { createReplays } from "../../../server/engine/replays.js";

/** A replay that ends when `end` is called. */
function held(name: string, started: string[]) {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    end,
    replay: async () => {
      started.push(name);
      await ended;
      return name;
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("replays run one after the other, those of waiting calls first", async () => {
  const replays = createReplays();
  const started: string[] = [];
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => held(name, started));
  if (!a || !b || !c || !d) throw new Error("four replays");
  let isBAwaited = false;
  const results = [
    replays.run(() => false, a.replay),
    replays.run(() => isBAwaited, b.replay),
    replays.run(() => true, c.replay),
    replays.run(() => false, d.replay),
  ];
  await settled();
  expect(started).toEqual(["a"]);
  a.end();
  await settled();
  expect(started).toEqual(["a", "c"]);
  // A call can arrive while the replay waits.
  isBAwaited = true;
  c.end();
  await settled();
  expect(started).toEqual(["a", "c", "b"]);
  b.end();
  d.end();
  expect(await Promise.all(results)).toEqual(["a", "b", "c", "d"]);
});

test("a replay that fails rejects, and the next one runs", async () => {
  const replays = createReplays();
  const failing = replays.run(
    () => false,
    () => {
      throw new Error("no frames");
    },
  );
  const next = replays.run(
    () => false,
    async () => "done",
  );
  await expect(failing).rejects.toThrow("no frames");
  expect(await next).toBe("done");
});
