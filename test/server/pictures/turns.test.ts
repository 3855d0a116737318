import { describe, expect, it } from "vitest";
import { createTurns } from "../../../server/pictures/turns.js";
import { createFakeClock } from "../../helpers/fake-clock.js";

/** Lets promises that are resolved already run their continuations. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function turns(options: Partial<Parameters<typeof createTurns>[0]> = {}) {
  const clock = createFakeClock();
  const queue = createTurns({ places: 1, maxWaitMs: 1000, maxWaiting: 10, clock, ...options });
  const served: string[] = [];
  /** The places that are held, in the order in which they were given. */
  const held: (() => void)[] = [];
  const ask = async (owner: string, label = owner, signal?: AbortSignal) => {
    const giveBack = await queue.take(owner, signal);
    served.push(label);
    held.push(giveBack);
  };
  const next = async () => {
    held.shift()?.();
    await settle();
  };
  return { clock, queue, served, ask, next };
}

describe("places for pictures", () => {
  it("go to waiting owners by turns, and to requests of one owner in order", async () => {
    const { served, ask, next } = turns();
    await ask("a", "a1");
    void ask("a", "a2");
    void ask("a", "a3");
    void ask("b", "b1");
    void ask("b", "b2");
    void ask("c", "c1");
    for (let i = 0; i < 6; i++) await next();
    expect(served).toEqual(["a1", "a2", "b1", "c1", "a3", "b2"]);
  });

  it("are given at once while some are free, also after all were given back", async () => {
    const { served, ask, next } = turns({ places: 2 });
    await ask("a", "a1");
    await ask("a", "a2");
    const third = ask("a", "a3");
    await settle();
    expect(served).toEqual(["a1", "a2"]);
    await next();
    await third;
    await next();
    await next();
    await ask("b");
    expect(served).toEqual(["a1", "a2", "a3", "b"]);
  });

  it("are not given to a request that was aborted while it waited", async () => {
    const { queue, served, ask, next } = turns();
    await ask("a");
    const abort = new AbortController();
    const waiting = ask("b", "b", abort.signal);
    void ask("c");
    abort.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    await next();
    expect(served).toEqual(["a", "c"]);
    expect(queue.waiting).toBe(0);
    await expect(ask("d", "d", abort.signal)).rejects.toThrow("gone");
  });

  it("are refused with server_busy after the longest wait", async () => {
    const { clock, queue, ask } = turns();
    await ask("a");
    const waiting = expect(ask("b")).rejects.toMatchObject({
      code: "server_busy",
      limit: "maxPictureBytes",
      retryAfterMs: expect.any(Number),
      message: expect.stringContaining("1000 ms"),
    });
    clock.advance(1000);
    await waiting;
    expect(queue.waiting).toBe(0);
  });

  it("are refused to an owner with too many waiting requests, and not to others", async () => {
    const { served, ask, next } = turns({ maxWaiting: 2 });
    await ask("a", "a1");
    void ask("a", "a2");
    void ask("a", "a3");
    await expect(ask("a", "a4")).rejects.toMatchObject({ code: "server_busy" });
    void ask("b", "b1");
    for (let i = 0; i < 4; i++) await next();
    expect(served).toEqual(["a1", "a2", "b1", "a3"]);
  });
});
