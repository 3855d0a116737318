import { setTimeout as delay } from "node:timers/promises";

/** Polls until a condition holds; a test that waits for ever fails by its own timeout. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20);
}

/** The value a number comes to rest at: unchanged over this many looks in a row. */
export async function atRest(read: () => number, looks = 20): Promise<number> {
  let value = read();
  for (let unchanged = 0; unchanged < looks; unchanged++) {
    await delay(20);
    const now = read();
    if (now !== value) unchanged = 0;
    value = now;
  }
  return value;
}
