/** The inference process ends: what its sessions and the engine's state do. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../../server/engine/index.js";
import { ended } from "../../helpers/processes.js";
import { greyFrame, phrase, recordingHooks, video, workerPid } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir, copyCompactPack } from "../../helpers/tiny-pack.js";

let engine: Engine;

describe("when the inference process is killed", () => {
  beforeAll(async () => {
    engine = await createEngine({ packDir: compactPackDir, threads: 1 });
  });
  afterAll(() => engine.close());

  test("a session that cannot decode its frames again is lost, others go on, and the next one opens", async () => {
    const losing = recordingHooks((index) => greyFrame(engine, index));
    delete losing.hooks.replayFrames;
    const keeping = recordingHooks((index) => greyFrame(engine, index));
    const [lost, kept] = [await engine.open(video, losing.hooks), await engine.open(video, keeping.hooks)];
    await lost.prompt({ frame: greyFrame(engine), prompt: phrase });
    await kept.prompt({ frame: greyFrame(engine), prompt: phrase });
    const first = workerPid(engine);
    const inFlight = [lost.describe(), kept.describe(), engine.open(video)] as const;
    process.kill(first, "SIGKILL");
    const [ofLost, ofKept, opened] = await Promise.allSettled(inFlight);
    expect(ofLost).toMatchObject({ status: "rejected", reason: { code: "engine_restarted" } });
    expect(ofKept).toMatchObject({ status: "fulfilled", value: { concepts: ["red circle"] } });
    expect(opened).toMatchObject({ status: "fulfilled" });
    expect(losing.events).toEqual(["lost: engine_restarted"]);
    expect(keeping.events).toEqual(["recovered"]);
    await expect(lost.describe()).rejects.toMatchObject({ code: "engine_restarted" });
    await lost.close();
    expect(workerPid(engine)).not.toBe(first);
    expect(engine.stats().restarts).toBe(1);
  });

  test("what was counted before is kept", async () => {
    const { hooks } = recordingHooks((index) => greyFrame(engine, index));
    const session = await engine.open(video, hooks);
    await session.prompt({ frame: greyFrame(engine), prompt: phrase });
    const before = engine.stats();
    const pid = workerPid(engine);
    process.kill(pid, "SIGKILL");
    await ended(pid);
    await session.prompt({ frame: greyFrame(engine), prompt: phrase });
    const after = engine.stats();
    expect(after.frames).toBe(before.frames + 1);
    // The process that ended had encoded the frame, and so has the next one.
    expect(after.graphs.encode?.runs).toBeGreaterThan(before.graphs.encode?.runs ?? 0);
  });

  test("a session can be closed meanwhile, and closing the engine leaves no process", async () => {
    const session = await engine.open(video);
    const other = await engine.open(video);
    process.kill(workerPid(engine), "SIGKILL");
    await until(() => engine.stats().state === "restarting");
    await session.close();
    const waiting = expect(other.describe()).rejects.toMatchObject({ code: "shutting_down" });
    await engine.close();
    await waiting;
    expect(engine.stats().workerPid).toBeNull();
  });
});

test("calls are refused while no start succeeds; a repaired pack is found and the session goes on", async () => {
  const pack = await copyCompactPack();
  engine = await createEngine({ packDir: pack.directory, threads: 1 });
  expect(engine.stats()).toMatchObject({ state: "ready", reason: null });
  const { hooks, events } = recordingHooks((index) => greyFrame(engine, index));
  const session = await engine.open(video, hooks);
  await session.prompt({ frame: greyFrame(engine), prompt: phrase });
  const graph = await readFile(pack.path("track.onnx"));
  await rm(pack.path("track.onnx"));
  process.kill(workerPid(engine), "SIGKILL");
  await until(() => engine.stats().state === "restarting");
  const waiting = engine.open(video);
  const reason = expect.stringMatching(/restarted 3 times in a row: .*track\.onnx: the file is missing\./);
  await expect(waiting).rejects.toMatchObject({
    code: "engine_unavailable",
    retryable: true,
    message: reason,
  });
  expect(engine.stats()).toMatchObject({ state: "failed", reason });
  await expect(engine.open(video)).rejects.toMatchObject({ code: "engine_unavailable" });
  await expect(session.describe()).rejects.toMatchObject({ code: "engine_unavailable" });

  await writeFile(pack.path("track.onnx"), graph);
  await until(() => engine.stats().state === "ready");
  expect((await session.describe()).concepts).toEqual(["red circle"]);
  expect(events).toEqual(["recovered"]);
  await session.prompt({ frame: greyFrame(engine), prompt: phrase });
  await engine.close();
});
