/** One session of a scripted inference process. */
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { EngineError, type SessionRules } from "../../../server/engine/engine.js";
import type { ArrivingSnapshot, InferenceProcess } from "../../../server/engine/inference-process.js";
import { DEFAULT_RECOVERY } from "../../../server/engine/journal.js";
import { createReplays, type Replays } from "../../../server/engine/replays.js";
import { createSupervisedSession } from "../../../server/engine/supervised-session.js";
import { recordingHooks, video } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";

const rules = { pack: { hash: "a" }, defaultStart: "prompted" } as SessionRules;

/** Answers calls with `answer`, and lists the verbs and parameters of all calls. */
function scriptedProcess(answer: (verb: string) => unknown = () => undefined) {
  const verbs: string[] = [];
  const params: unknown[] = [];
  const carryOut = async (verb: string, given?: unknown) => {
    verbs.push(verb);
    params.push(given);
    return verb === "open" ? rules : answer(verb);
  };
  const process = {
    pid: 1,
    call: (_: number, verb: string, given: unknown) => carryOut(verb, given),
    control: carryOut,
    hurry() {},
    costs: () => ({}),
    close: async () => {},
  } as unknown as InferenceProcess;
  return { process, verbs, params };
}

function scriptedSession(
  first: InferenceProcess,
  isInUse?: () => boolean,
  replays: Replays = createReplays(),
) {
  let current = first;
  const { hooks: recording, events } = recordingHooks((index) => ({ index, rgb: new Uint8Array(3) }));
  const session = createSupervisedSession({
    id: 1,
    video,
    hooks: { ...recording, ...(isInUse && { isInUse }) },
    current: () => current,
    running: async () => current,
    recovery: DEFAULT_RECOVERY,
    replays,
    budget: { usedBytes: 0 },
    warn() {},
    onAnswer() {},
    onEnd() {},
  });
  function moveTo(next: InferenceProcess): void {
    current = next;
    session.recover();
  }
  return { session, events, moveTo };
}

test("a session that could not be rebuilt is closed in the process that goes on", async () => {
  const { session, events, moveTo } = scriptedSession(scriptedProcess().process);
  const open = await session.open();
  await open.removeObject({ objectId: 1 });
  const next = scriptedProcess(() => {
    throw new EngineError("object_not_found", "There is no object 1.");
  });
  moveTo(next.process);
  await until(() => events.length > 0);
  expect(events).toEqual(["lost: engine_restarted"]);
  await open.close();
  expect(next.verbs).toEqual(["open", "removeObject", "close"]);
});

test("a session without a client is rebuilt with its next call", async () => {
  let isInUse = false;
  const { session, events, moveTo } = scriptedSession(scriptedProcess().process, () => isInUse);
  const open = await session.open();
  await open.removeObject({ objectId: 1 });
  const second = scriptedProcess();
  moveTo(second.process);
  await setImmediate();
  expect(second.verbs).toEqual([]);
  await open.removeObject({ objectId: 2 });
  expect(second.verbs).toEqual(["open", "removeObject", "removeObject"]);
  expect(second.params.slice(1)).toEqual([{ objectId: 1 }, { objectId: 2 }]);
  expect(events).toEqual(["recovered"]);

  isInUse = true;
  const third = scriptedProcess();
  moveTo(third.process);
  await until(() => events.length === 2);
  expect(third.verbs).toEqual(["open", "removeObject", "removeObject"]);
});

test("sessions for which clients wait are rebuilt before streams whose clients have gone", async () => {
  const replays = createReplays();
  const rebuilt: string[] = [];
  const start = async (name: string, isInUse: boolean) => {
    const { session, moveTo } = scriptedSession(scriptedProcess().process, () => isInUse, replays);
    const open = await session.open();
    await open.removeObject({ objectId: 1 });
    const next = scriptedProcess((verb) => verb === "removeObject" && void rebuilt.push(name));
    return { next: () => moveTo(next.process), call: () => open.removeObject({ objectId: 2 }) };
  };
  const gone = await start("gone", false);
  const present = await start("present", true);
  let endOther = () => {};
  const other = replays.run(
    () => false,
    () => new Promise<void>((resolve) => (endOther = resolve)),
  );
  gone.next();
  const calls = [gone.call()];
  // Its replay is the first that waits.
  await setImmediate();
  present.next();
  calls.push(present.call());
  await setImmediate();
  expect(rebuilt).toEqual([]);
  endOther();
  await Promise.all([other, ...calls]);
  expect(rebuilt[0]).toBe("present");
  expect(rebuilt.filter((name) => name === "gone")).toHaveLength(2);
});

test("a session that is closed while it is rebuilt repeats no further call and is not reported as recovered", async () => {
  const { session, events, moveTo } = scriptedSession(scriptedProcess().process);
  const open = await session.open();
  for (const objectId of [1, 2, 3]) await open.removeObject({ objectId });
  let answer = () => {};
  const next = scriptedProcess((verb) =>
    verb === "removeObject" ? new Promise<void>((resolve) => (answer = resolve)) : undefined,
  );
  moveTo(next.process);
  await until(() => next.verbs.includes("removeObject"));
  await open.close();
  answer();
  await until(() => next.verbs.filter((verb) => verb === "close").length === 2);
  expect(next.verbs.filter((verb) => verb === "removeObject")).toHaveLength(1);
  expect(events).toEqual([]);
});

test("a call for which a person waits hurries the snapshot before it", async () => {
  let made = (_: ArrivingSnapshot) => {};
  const snapshot = new Promise<ArrivingSnapshot>((resolve) => (made = resolve));
  const { process } = scriptedProcess();
  process.snapshot = () => snapshot;
  const hurried: number[] = [];
  process.hurry = (session) => hurried.push(session);
  const open = await scriptedSession(process).session.open();
  await open.removeObject({ objectId: 1 });
  expect(hurried).toEqual([]);

  const saved = open.snapshot();
  const removed = open.removeObject({ objectId: 2 });
  expect(hurried).toEqual([1]);
  made({ bytes: Promise.resolve(new Uint8Array(1)), ms: 1 });
  await Promise.all([saved, removed]);
});

test("calls do not wait for the bytes of a snapshot, and are repeated after it", async () => {
  let arrived = (_: Uint8Array) => {};
  const first = scriptedProcess();
  let snapshots = 0;
  first.process.snapshot = async () => {
    snapshots += 1;
    return { bytes: new Promise((resolve) => (arrived = resolve)), ms: 0 };
  };
  const { session, events, moveTo } = scriptedSession(first.process);
  const open = await session.open();
  const last = DEFAULT_RECOVERY.minCallsBetweenSnapshots + 1;
  for (let objectId = 1; objectId <= last; objectId++) await open.removeObject({ objectId });
  expect(snapshots).toBe(1);
  arrived(new Uint8Array([1, 2, 3]));
  await setImmediate();

  const next = scriptedProcess();
  moveTo(next.process);
  await until(() => events.length > 0);
  expect(events).toEqual(["recovered"]);
  expect(next.params).toEqual([
    { session: 1, video, snapshot: new Uint8Array([1, 2, 3]) },
    { objectId: last },
  ]);
});
