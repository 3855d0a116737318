import { expect, test } from "vitest";
import { createTaskLimit } from "../../server/task-limit.js";

test("runs at most so many tasks at once, in order, also after tasks that fail", async () => {
  const limit = createTaskLimit(3);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      limit.run(async () => {
        order.push(i);
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
        if (i % 4 === 0) throw new Error(`task ${i}`);
        return i;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(results.map(({ status }) => status === "fulfilled")).toEqual(order.map((i) => i % 4 !== 0));
  expect(await limit.run(async () => "later")).toBe("later");
});

test("does not exceed the limit when a task is submitted while another ends", async () => {
  const limit = createTaskLimit(1);
  let running = 0;
  const task = async () => {
    expect(++running).toBe(1);
    await Promise.resolve();
    running--;
  };
  const first = limit.run(task);
  const second = limit.run(task);
  await first.then(() => limit.run(task));
  await second;
});
