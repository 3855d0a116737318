import { readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../../server/engine/index.js";
import { ended } from "../../helpers/processes.js";
import { greyFrame, phrase, video, workerPid } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir, copyCompactPack } from "../../helpers/tiny-pack.js";

let engine: Engine;

describe("when the inference process is killed", () => {
  const lost: string[][] = [];
  beforeAll(async () => {
    engine = await createEngine({ packDir: compactPackDir, threads: 1 });
    engine.onRestart((sessionIds) => lost.push(sessionIds));
  });
  afterAll(() => engine.close());

  test("calls in flight are rejected, the lost sessions are named once, and the next session opens", async () => {
    await engine.openSession("early", video);
    const first = workerPid(engine);
    const inFlight = [engine.prompt("early", greyFrame(engine), phrase), engine.openSession("late", video)];
    process.kill(first, "SIGKILL");
    for (const result of await Promise.allSettled(inFlight)) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "engine_restarted" } });
    }
    expect(lost).toEqual([["early", "late"]]);
    await engine.openSession("next", video);
    expect(workerPid(engine)).not.toBe(first);
    expect(engine.stats().restarts).toBe(1);
  });

  test("a lost session stays lost until its id is opened again, and what was counted is kept", async () => {
    await engine.openSession("reborn", video);
    await engine.prompt("reborn", greyFrame(engine), phrase);
    const before = engine.stats();
    const pid = workerPid(engine);
    process.kill(pid, "SIGKILL");
    await ended(pid);
    await expect(engine.describeSession("reborn")).rejects.toMatchObject({ code: "engine_restarted" });
    await engine.openSession("reborn", video);
    expect(await engine.describeSession("reborn")).toEqual({ concepts: [], objectIds: [] });
    await engine.prompt("reborn", greyFrame(engine), phrase);
    const after = engine.stats();
    expect(after.frames).toBe(before.frames + 1);
    expect(after.graphs.encode?.runs).toBe((before.graphs.encode?.runs ?? 0) + 1);
  });

  test("a lost session can be closed, and closing the engine meanwhile leaves no process", async () => {
    await engine.openSession("doomed", video);
    const pid = workerPid(engine);
    process.kill(pid, "SIGKILL");
    await ended(pid);
    await expect(engine.describeSession("doomed")).rejects.toMatchObject({ code: "engine_restarted" });
    await engine.closeSession("doomed");
    const unknown = engine.describeSession("doomed");
    const expected = expect(unknown).rejects.toMatchObject({ code: "shutting_down" });
    await engine.close();
    await expected;
    expect(engine.stats().workerPid).toBeNull();
  });
});

test("calls are refused while no start succeeds, and the repaired pack is found without a call", async () => {
  const pack = await copyCompactPack();
  engine = await createEngine({ packDir: pack.directory, threads: 1 });
  expect(engine.stats()).toMatchObject({ state: "ready", reason: null });
  const graph = await readFile(pack.path("track.onnx"));
  await rm(pack.path("track.onnx"));
  process.kill(workerPid(engine), "SIGKILL");
  await until(() => engine.stats().state === "restarting");
  const waiting = engine.openSession("waiting", video);
  const reason = expect.stringMatching(/restarted 3 times in a row: .*track\.onnx: the file is missing\./);
  await expect(waiting).rejects.toMatchObject({
    code: "engine_unavailable",
    retryable: true,
    message: reason,
  });
  expect(engine.stats()).toMatchObject({ state: "failed", reason });
  await expect(engine.openSession("next", video)).rejects.toMatchObject({ code: "engine_unavailable" });

  await writeFile(pack.path("track.onnx"), graph);
  await until(() => engine.stats().state === "ready");
  await engine.openSession("after", video);
  await engine.prompt("after", greyFrame(engine), phrase);
  await engine.close();
});
