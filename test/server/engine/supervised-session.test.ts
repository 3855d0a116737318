/** One session of a scripted inference process. */
import { expect, test } from "vitest";
import { EngineError, type SessionRules } from "../../../server/engine/engine.js";
import type { InferenceProcess } from "../../../server/engine/inference-process.js";
import { DEFAULT_RECOVERY } from "../../../server/engine/journal.js";
import { createSupervisedSession } from "../../../server/engine/supervised-session.js";
import { createSerial } from "../../../server/serial.js";
import { recordingHooks, video } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";

const rules = { pack: { hash: "a" }, defaultStart: "prompted" } as SessionRules;

/** Answers calls with `answer`, and lists the verbs of all calls. */
function scriptedProcess(answer: (verb: string) => unknown = () => undefined) {
  const verbs: string[] = [];
  const carryOut = async (verb: string) => {
    verbs.push(verb);
    return verb === "open" ? rules : answer(verb);
  };
  const process = {
    pid: 1,
    call: (_: number, verb: string) => carryOut(verb),
    control: carryOut,
    costs: () => ({}),
    close: async () => {},
  } as unknown as InferenceProcess;
  return { process, verbs };
}

function scriptedSession(first: InferenceProcess) {
  let current = first;
  const { hooks, events } = recordingHooks((index) => ({ index, rgb: new Uint8Array(3) }));
  const session = createSupervisedSession({
    id: 1,
    video,
    hooks,
    current: () => current,
    running: async () => current,
    recovery: DEFAULT_RECOVERY,
    replays: createSerial(),
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
  let answer = (_: { bytes: Uint8Array; ms: number }) => {};
  const snapshot = new Promise((resolve) => (answer = resolve));
  const { process } = scriptedProcess((verb) => (verb === "snapshot" ? snapshot : undefined));
  const hurried: number[] = [];
  process.hurry = (session) => hurried.push(session);
  const open = await scriptedSession(process).session.open();
  await open.removeObject({ objectId: 1 });
  expect(hurried).toEqual([]);

  const saved = open.snapshot();
  const removed = open.removeObject({ objectId: 2 });
  expect(hurried).toEqual([1]);
  answer({ bytes: new Uint8Array(1), ms: 1 });
  await Promise.all([saved, removed]);
});
