/** An inference process that is stopped is replaced, and its sessions continue with the same results. */
import { afterEach, describe, expect, test } from "vitest";
import {
  createEngine,
  type Engine,
  type EngineSession,
  type FrameOutput,
} from "../../../server/engine/index.js";
import { ended, inferenceProcesses } from "../../helpers/processes.js";
import { click, phrase, recordingHooks, squareFrame, video, workerPid } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

const NUM_FRAMES = 10;
const reason = /no answer and no CPU time for/;
let engine: Engine;
const logged: string[] = [];
const log = {
  info: () => {},
  warn: () => {},
  error: (_: object, message: string) => void logged.push(message),
};

const frame = (index: number) => squareFrame(engine, index);

async function start(): Promise<void> {
  logged.length = 0;
  engine = await createEngine({ packDir: compactPackDir, threads: 1, log, watchdog: { stallMs: 1500 } });
}

function stop(): number {
  const pid = workerPid(engine);
  process.kill(pid, "SIGSTOP");
  return pid;
}

/** @param disturb called at each step, right after the step was requested */
async function track(session: EngineSession, disturb: (step: number) => void): Promise<FrameOutput[]> {
  const outputs: FrameOutput[] = [];
  outputs.push((await session.prompt({ frame: frame(0), prompt: phrase })).output);
  await session.begin({ reverse: false, firstFrame: 0, lastFrame: NUM_FRAMES - 1, startFrame: null });
  for (let index = 0; index < NUM_FRAMES; index++) {
    await session.push({ frame: frame(index) });
    const next = session.next();
    disturb(index);
    outputs.push(...(await next));
  }
  return outputs;
}

// Systems that do not report the CPU time of another process have only the limit of one graph run.
describe.runIf(process.platform === "linux")("a stopped inference process", { timeout: 120_000 }, () => {
  afterEach(() => engine.close());

  test("is replaced during a propagation: every frame arrives once, with the same masks", async () => {
    await start();
    const undisturbed = await track(await engine.open(video), () => {});
    const { hooks, events } = recordingHooks(frame);
    const pids: number[] = [];
    const session = await engine.open(video, hooks);
    const disturbed = await track(session, (step) => {
      if (step === 4) pids.push(stop());
    });
    expect(disturbed).toEqual(undisturbed);
    expect(engine.stats().restarts).toBe(1);
    expect(events).toEqual(["recovered"]);
    expect(logged[0]).toMatch(reason);
    await ended(pids[0] as number);
  });

  test("is replaced during a click; meanwhile the state is stalled, with a reason", async () => {
    await start();
    const { hooks, events } = recordingHooks(frame);
    const session = await engine.open(video, hooks);
    await session.prompt({ frame: frame(0), prompt: click });
    const clicked = session.prompt({ frame: frame(1), prompt: { ...click, points: [[0.3, 0.3]] } });
    stop();
    await until(() => engine.stats().state === "stalled");
    expect(engine.stats().reason).toMatch(reason);
    expect((await clicked).objectId).toBe(1);
    expect(engine.stats()).toMatchObject({ state: "ready", reason: null, restarts: 1 });
    expect(events).toEqual(["recovered"]);
  });

  test("is replaced while it is idle", async () => {
    await start();
    const { hooks, events } = recordingHooks(frame);
    const session = await engine.open(video, hooks);
    await session.prompt({ frame: frame(0), prompt: click });
    const pid = stop();
    await ended(pid);
    await until(() => events.length > 0);
    expect((await session.describe()).objectIds).toEqual([0]);
  });

  test("is replaced while it loads its pack", async () => {
    await start();
    const { hooks, events } = recordingHooks(frame);
    const session = await engine.open(video, hooks);
    await session.prompt({ frame: frame(0), prompt: click });
    const first = workerPid(engine);
    process.kill(first, "SIGKILL");
    await ended(first);
    await until(() => inferenceProcesses().some((pid) => pid !== first));
    const loading = inferenceProcesses().find((pid) => pid !== first) as number;
    process.kill(loading, "SIGSTOP");
    expect(engine.stats().state).toBe("restarting");
    await ended(loading);
    expect((await session.describe()).objectIds).toEqual([0]);
    expect(events).toEqual(["recovered"]);
    expect(logged.join("\n")).toMatch(/could not start: .*no answer and no CPU time/);
  });

  test("continues when it is woken before the limit", async () => {
    await start();
    const session = await engine.open(video);
    const pid = stop();
    const described = session.describe();
    await until(() => engine.stats().state === "stalled");
    process.kill(pid, "SIGCONT");
    await described;
    await until(() => engine.stats().state === "ready");
    expect(engine.stats()).toMatchObject({ restarts: 0, workerPid: pid });
  });
});
