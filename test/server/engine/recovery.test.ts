/** Sessions go on after their inference process was killed: no frame missing or doubled, and the same masks to the last bit. */
import { afterEach, describe, expect, test } from "vitest";
import {
  createEngine,
  type Engine,
  type EngineOptions,
  type EngineSession,
  type FrameOutput,
  type SessionHooks,
} from "../../../server/engine/index.js";
import { click, phrase, recordingHooks, squareFrame, video, workerPid } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

const NUM_FRAMES = 24;
const box: typeof click = { ...click, points: [], labels: [], boxXywh: [0.125, 0.25, 0.5, 0.5] };
let engine: Engine;

afterEach(() => engine.close());

const frame = (index: number) => squareFrame(engine, index);

async function start(recovery: EngineOptions["recovery"] = {}): Promise<void> {
  engine = await createEngine({ packDir: compactPackDir, threads: 1, recovery });
}

async function killAndWait(): Promise<void> {
  const { restarts } = engine.stats();
  process.kill(workerPid(engine), "SIGKILL");
  await until(() => engine.stats().restarts > restarts);
}

/**
 * A click, a phrase and a removal in the middle of a pass, then a pass backward.
 * @param disturb called at every step, right after the step was requested
 */
async function runSession(session: EngineSession, disturb: (step: number) => void): Promise<FrameOutput[]> {
  const outputs: FrameOutput[] = [];
  let steps = 0;
  async function pass(reverse: boolean, indices: readonly number[]) {
    const [firstFrame = 0, lastFrame = 0] = [indices[0], indices.at(-1)];
    await session.begin({ reverse, firstFrame, lastFrame, startFrame: null });
    let ahead = session.push({ frame: frame(firstFrame) });
    for (const [place, index] of indices.entries()) {
      await ahead;
      const next = session.next();
      const following = indices[place + 1];
      if (following !== undefined) ahead = session.push({ frame: frame(following) });
      disturb(steps++);
      outputs.push(...(await next));
      if (reverse) continue;
      if (index === 6) await session.prompt({ frame: frame(3), prompt: phrase });
      if (index === 10) await session.prompt({ frame: frame(2), prompt: { ...click, objectId: 40 } });
      if (index === 20) await session.removeObject({ objectId: 40 });
    }
  }
  const ascending = Array.from({ length: NUM_FRAMES }, (_, index) => index);
  outputs.push((await session.prompt({ frame: frame(0), prompt: { ...box, objectId: 5 } })).output);
  await pass(false, ascending);
  await pass(true, ascending.slice(0, NUM_FRAMES / 2).reverse());
  return outputs;
}

const hooks = () => recordingHooks(frame);

describe("a session whose process is killed in the middle of its passes", { timeout: 300_000 }, () => {
  test.each([
    // The frames of all calls since the start of the session.
    ["from its journal alone", { maxSnapshotBytes: 0 }, { min: 26, max: 40 }],
    // The frames of five calls, and of the calls made while the snapshot after them was transferred.
    [
      "from snapshots and what followed them",
      { minCallsBetweenSnapshots: 5, maxSnapshotShare: 1 },
      { min: 0, max: 10 },
    ],
  ])("returns every frame once, with the same masks, %s", async (_, recovery, longestReplay) => {
    await start(recovery);
    const undisturbed = await runSession(await engine.open(video), () => {});
    const { hooks: theirs, events, replays } = hooks();
    const session = await engine.open(video, theirs);
    const kills = new Set([0, 13, 31]);
    const disturbed = await runSession(session, (step) => {
      if (!kills.has(step)) return;
      const pid = workerPid(engine);
      // Anywhere within a step, or between two of them.
      setTimeout(() => process.kill(pid, "SIGKILL"), Math.random() * 40);
    });
    expect(disturbed.map(({ frameIndex }) => frameIndex)).toEqual(
      undisturbed.map(({ frameIndex }) => frameIndex),
    );
    expect(disturbed).toEqual(undisturbed);
    expect(disturbed.flatMap(({ objects }) => objects).length).toBeGreaterThan(NUM_FRAMES);
    expect(engine.stats().restarts).toBe(kills.size);
    await until(() => events.length === kills.size);
    expect(new Set(events)).toEqual(new Set(["recovered"]));
    expect(Math.max(...replays)).toBeGreaterThanOrEqual(longestReplay.min);
    expect(Math.max(...replays)).toBeLessThanOrEqual(longestReplay.max);
  });
});

test("sessions that interleave return the masks that each returns alone, also after their process was killed", {
  timeout: 300_000,
}, async () => {
  await start({ minCallsBetweenSnapshots: 5, maxSnapshotShare: 1 });
  const alone = await runSession(await engine.open(video), () => {});
  const open = (id: string, theirs: SessionHooks) =>
    engine.open({ ...video, owner: { id, weight: id.length } }, theirs);
  const recorded = ["a", "a", "bb"].map((id) => ({ id, ...hooks() }));
  const sessions = await Promise.all(recorded.map(({ id, hooks }) => open(id, hooks)));
  const together = await Promise.all(
    sessions.map((session, place) =>
      runSession(session, (step) => {
        if (place !== 0 || step !== 10) return;
        const pid = workerPid(engine);
        setTimeout(() => process.kill(pid, "SIGKILL"), Math.random() * 40);
      }),
    ),
  );
  for (const outputs of together) expect(outputs).toEqual(alone);
  expect(engine.stats().restarts).toBe(1);
  for (const { events } of recorded) expect(events).toEqual(["recovered"]);
});

test("a call that ends the process twice in a row loses its own session; the others go on", async () => {
  await start();
  const [culprit, bystander] = [hooks(), hooks()];
  // A stopped process answers nothing, so that the test decides which call it is killed in.
  const stop = () => process.kill(workerPid(engine), "SIGSTOP");
  // Opened first, it is rebuilt first, and has no call in the process that is stopped.
  const other = await engine.open(video, bystander.hooks);
  const poisoned = await engine.open(video, {
    ...culprit.hooks,
    onRecovered() {
      culprit.hooks.onRecovered?.();
      stop();
    },
  });

  stop();
  const lost = expect(poisoned.prompt({ frame: frame(0), prompt: box })).rejects.toMatchObject({
    code: "engine_restarted",
    message: expect.stringMatching(/ended 2 times in a row \(SIGKILL\) during a call of this session/),
  });
  await new Promise((resolve) => setImmediate(resolve));
  await killAndWait();
  await until(() => culprit.events.length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  await killAndWait();
  await lost;
  expect(culprit.events).toEqual(["recovered", "lost: engine_restarted"]);
  await other.prompt({ frame: frame(0), prompt: phrase });
  expect((await other.describe()).concepts).toEqual(["red circle"]);
  expect(bystander.events).toEqual(["recovered", "recovered"]);
  await expect(poisoned.describe()).rejects.toMatchObject({ code: "engine_restarted" });
});

test("a session whose journal is too long, and which has no snapshot, is lost", async () => {
  await start({ maxSnapshotBytes: 0, maxJournalEntries: 3 });
  const { hooks: theirs, events } = hooks();
  const session = await engine.open(video, theirs);
  for (const index of [0, 1, 2]) await session.prompt({ frame: frame(index), prompt: box });
  await killAndWait();
  expect((await session.describe()).objectIds).toHaveLength(3);
  expect(events).toEqual(["recovered"]);
  await session.prompt({ frame: frame(3), prompt: box });
  await killAndWait();
  await expect(session.describe()).rejects.toMatchObject({ code: "engine_restarted", retryable: true });
  expect(events).toEqual(["recovered", "lost: engine_restarted"]);
});

test("a snapshot takes the place of a journal that was too long", async () => {
  await start({ minCallsBetweenSnapshots: 5, maxSnapshotShare: 1, maxJournalEntries: 5 });
  const { hooks: theirs, events } = hooks();
  const session = await engine.open(video, theirs);
  for (let index = 0; index < 12; index++) await session.prompt({ frame: frame(index), prompt: box });
  await session.describe();
  await killAndWait();
  expect((await session.describe()).objectIds).toHaveLength(12);
  expect(events).toEqual(["recovered"]);
});

test("a session that is being rebuilt outlives kills in different calls", async () => {
  await start({ maxSnapshotBytes: 0 });
  const { hooks: theirs, events } = hooks();
  const killDuring = [1, 3, 2];
  const session = await engine.open(video, {
    ...theirs,
    async *replayFrames(indices) {
      const killed = killDuring.shift();
      for (const index of indices) {
        if (index === killed) {
          // A stopped process does not answer the call with this frame.
          const pid = workerPid(engine);
          process.kill(pid, "SIGSTOP");
          setTimeout(() => process.kill(pid, "SIGKILL"), 20);
        }
        yield frame(index);
      }
    },
  });
  for (const index of [0, 1, 2, 3]) await session.prompt({ frame: frame(index), prompt: box });
  await killAndWait();
  expect((await session.describe()).objectIds).toHaveLength(4);
  expect(killDuring).toEqual([]);
  expect(engine.stats().restarts).toBe(4);
  await until(() => events.length > 0);
  expect(events).toEqual(["recovered"]);
}, 180_000);

test("a session whose repeated call fails where it succeeded is lost", async () => {
  await start({ maxSnapshotBytes: 0 });
  const { hooks: theirs, events } = hooks();
  const session = await engine.open(video, {
    ...theirs,
    async *replayFrames(indices) {
      for (const index of indices) yield index === 1 ? { index, rgb: new Uint8Array(3) } : frame(index);
    },
  });
  for (const index of [0, 1]) await session.prompt({ frame: frame(index), prompt: box });
  await killAndWait();
  await expect(session.describe()).rejects.toMatchObject({
    code: "engine_restarted",
    message: expect.stringMatching(
      /could not be rebuilt: "prompt" failed: A frame must have .* this one has 3/,
    ),
  });
  expect(events).toEqual(["lost: engine_restarted"]);
});

test("a rejected call has changed nothing, and is not repeated when the session is rebuilt", async () => {
  await start({ maxSnapshotBytes: 0 });
  const { hooks: theirs, events, replays } = hooks();
  const session = await engine.open(video, theirs);
  await session.prompt({ frame: frame(0), prompt: { ...box, objectId: 5 } });
  await expect(session.removeObject({ objectId: 6 })).rejects.toMatchObject({ code: "object_not_found" });
  const tooSmall = { index: 1, rgb: new Uint8Array(3) };
  await expect(session.prompt({ frame: tooSmall, prompt: box })).rejects.toThrow(/this one has 3/);
  await killAndWait();
  expect((await session.describe()).objectIds).toEqual([5]);
  expect(events).toEqual(["recovered"]);
  expect(replays).toEqual([1]);
});

test("sessions are rebuilt one after the other, so that the first continues early", async () => {
  await start({ maxSnapshotBytes: 0 });
  const frames: string[] = [];
  const sessions: EngineSession[] = [];
  for (const name of ["a", "b"]) {
    const session = await engine.open(video, {
      async *replayFrames(indices) {
        for (const index of indices) {
          frames.push(`${name}${index}`);
          yield frame(index);
        }
      },
    });
    for (const index of [0, 1, 2]) await session.prompt({ frame: frame(index), prompt: box });
    sessions.push(session);
  }
  await killAndWait();
  for (const session of sessions) expect((await session.describe()).objectIds).toHaveLength(3);
  expect(frames).toEqual(["a0", "a1", "a2", "b0", "b1", "b2"]);
});
