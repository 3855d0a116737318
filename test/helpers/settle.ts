import { setTimeout as delay } from "node:timers/promises";

/** Polls until a condition holds. The timeout of the test limits the wait. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20);
}

/** Polls a number until it is the same for `readings` readings in a row; returns it. */
export async function stableValue(read: () => number, readings = 20): Promise<number> {
  let value = read();
  for (let unchanged = 0; unchanged < readings; unchanged++) {
    await delay(20);
    const now = read();
    if (now !== value) unchanged = 0;
    value = now;
  }
  return value;
}
