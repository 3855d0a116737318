/** Sessions share one inference process: the order of their turns, with the real pack and without. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lane } from "../../../server/engine/fair-queue.js";
import { createEngine, type Engine, type EngineSession } from "../../../server/engine/index.js";
import { createTurns } from "../../../server/engine/turns.js";
import { click, squareFrame, video } from "../../helpers/real-engine.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

const aTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("turns", () => {
  test("only one session at a time has a turn of a lane, and each turn is reported before it starts", async () => {
    let inTurn = 0;
    const reported: (number | undefined)[] = [];
    const turns = createTurns(({ main }) => reported.push(main));
    const started: number[] = [];
    await Promise.all(
      [1, 2, 3].map((number) =>
        turns.join(number, `owner ${number}`, 1).take("main", async () => {
          expect(reported.at(-1)).toBe(number);
          started.push(number);
          inTurn += 1;
          expect(inTurn).toBe(1);
          await aTurn();
          inTurn -= 1;
        }),
      ),
    );
    await aTurn();
    expect(started).toEqual([1, 2, 3]);
    expect(reported).toEqual([1, 2, 3, undefined]);
  });

  test("a call that arrives during a turn takes part in the next decision", async () => {
    const turns = createTurns();
    const [stream, urgent] = [turns.join(1, "a", 1), turns.join(2, "b", 1)];
    urgent.isUrgent = true;
    const order: string[] = [];
    const later: Promise<void>[] = [];
    await stream.take("main", async () => {
      setImmediate(() => {
        later.push(urgent.pause().then(() => void order.push("click")));
      });
      await aTurn();
    });
    later.push(stream.pause().then(() => void order.push("frame")));
    await aTurn();
    await aTurn();
    await Promise.all(later);
    expect(order).toEqual(["click", "frame"]);
  });

  test.each<Lane>(["main", "encode"])("a failure in a turn of the lane %s ends the turn", async (lane) => {
    const turns = createTurns();
    const [a, b] = [turns.join(1, "a", 1), turns.join(2, "b", 1)];
    const failing = a.take(lane, async () => {
      throw new Error("no memory");
    });
    const next = b.take(lane, async () => "done");
    await expect(failing).rejects.toThrow("no memory");
    expect(await next).toBe("done");
  });

  test("an abort ends the wait for a turn, and every later one until the signal is replaced", async () => {
    const turns = createTurns();
    const [a, b] = [turns.join(1, "a", 1), turns.join(2, "b", 1)];
    const aborted = new AbortController();
    b.signal = aborted.signal;
    const [first, second] = [a.take("main", aTurn), b.pause()];
    aborted.abort(new Error("the client has gone"));
    await expect(second).rejects.toThrow("the client has gone");
    await expect(b.pause()).rejects.toThrow("the client has gone");
    await first;
    b.signal = undefined;
    await b.pause();
  });

  test("a session that leaves does not keep the others waiting", async () => {
    const turns = createTurns();
    const [a, b] = [turns.join(1, "a", 1), turns.join(2, "b", 1)];
    void a.pause();
    const waiting = b.pause();
    a.leave();
    await waiting;
  });
});

describe("sessions of two owners in one process", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ packDir: compactPackDir, threads: 1 });
  });
  afterAll(() => engine.close());

  const open = (id: string) => engine.open({ ...video, owner: { id, weight: 1 } });
  const frame = (index: number) => squareFrame(engine, index);

  async function startPass(session: EngineSession, objects: number): Promise<void> {
    for (let objectId = 0; objectId < objects; objectId++)
      await session.prompt({ frame: frame(0), prompt: { ...click, objectId } });
    await session.begin({ reverse: false, firstFrame: 1, lastFrame: 20, startFrame: null });
    await session.push({ frame: frame(1) });
  }

  test("a click is answered before the frames that were requested before it", async () => {
    const [stream, clicked] = [await open("a"), await open("b")];
    await startPass(stream, 12);
    const order: string[] = [];
    await Promise.all([
      stream.next().then(() => order.push("frame")),
      clicked.prompt({ frame: frame(1), prompt: click }).then(() => order.push("click")),
    ]);
    expect(order).toEqual(["click", "frame"]);
    await Promise.all([stream.close(), clicked.close()]);
  });

  test("the frame that a click in its session waits for comes before the frames of other sessions", async () => {
    const [clicked, stream] = [await open("a"), await open("b")];
    await Promise.all([startPass(clicked, 12), startPass(stream, 12)]);
    const order: string[] = [];
    await Promise.all([
      stream.next().then(() => order.push("frame of b")),
      clicked.next().then(() => order.push("frame of a")),
      clicked.prompt({ frame: frame(2), prompt: { ...click, objectId: 1 } }).then(() => order.push("click")),
    ]);
    expect(order.indexOf("frame of a")).toBeLessThan(order.indexOf("frame of b"));
    expect(order.indexOf("frame of a")).toBeLessThan(order.indexOf("click"));
    await Promise.all([clicked.close(), stream.close()]);
  });

  test("while one session tracks its frames, the passes of another continue", async () => {
    const [a, b] = [await open("a"), await open("b")];
    await Promise.all([startPass(a, 12), startPass(b, 1)]);
    const order: string[] = [];
    await Promise.all([
      a.next().then(() => order.push("12 objects")),
      b.next().then(() => order.push("1 object")),
    ]);
    // One object takes fewer turns than twelve.
    expect(order).toEqual(["1 object", "12 objects"]);
    await Promise.all([a.close(), b.close()]);
  });
});
