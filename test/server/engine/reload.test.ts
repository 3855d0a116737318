/** Another pack under a running engine: loaded beside the old one, and the old one kept when it is no good. */
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { createEngine, type Engine, type EnginePrompt } from "../../../server/engine/index.js";
import { ended } from "../../helpers/processes.js";
import { greyFrame, phrase, video, workerPid } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir, copyCompactPack, makeTrackerOnly } from "../../helpers/tiny-pack.js";

const click: EnginePrompt = {
  kind: "object",
  points: [[0.5, 0.5]],
  labels: [1],
  clearOldPoints: true,
  clearOldBoxes: true,
};
let engine: Engine;
const errors: string[] = [];

afterEach(() => engine.close());

async function start(packDir: string): Promise<void> {
  errors.length = 0;
  const log = { info() {}, warn() {}, error: (_: object, message: string) => errors.push(message) };
  engine = await createEngine({ packDir, threads: 1, log });
}

describe("an engine whose pack is replaced", { timeout: 180_000 }, () => {
  test("opens new sessions on the new pack and keeps old ones on theirs until they close", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    const first = workerPid(engine);
    expect(await engine.openSession("old", video)).toMatchObject({ pack: { id: "compact" } });
    await makeTrackerOnly(pack);
    expect(await engine.reload()).toMatchObject({ id: "tracker-only", capabilities: { text: false } });
    expect(engine.pack.id).toBe("tracker-only");
    expect(await engine.openSession("new", video)).toMatchObject({ pack: { id: "tracker-only" } });
    await expect(engine.openSession("old", video)).rejects.toMatchObject({ code: "session_exists" });

    await engine.prompt("old", greyFrame(engine), phrase);
    await expect(engine.prompt("new", greyFrame(engine), phrase)).rejects.toMatchObject({
      code: "unsupported_by_pack",
      field: "text",
      message:
        "This model pack does not take a phrase (text); " +
        "it takes clicks or a box on one object (points, bounding_boxes with obj_id).",
    });
    expect(await engine.prompt("new", greyFrame(engine), click)).toMatchObject({ objectId: 0 });
    const before = engine.stats();
    expect(workerPid(engine)).not.toBe(first);

    await engine.closeSession("old");
    await ended(first);
    const { runs, ms } = before.graphs.detect ?? {};
    // What the first process did still counts; the memory it took is free again.
    expect(engine.stats()).toMatchObject({
      frames: before.frames,
      graphs: { detect: { runs, ms, memoryBytes: 0 } },
    });
    expect(await engine.describeSession("new")).toMatchObject({ objectIds: [0] });
  });

  test("keeps the old pack when the new one is no good, and says why", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    const pid = workerPid(engine);
    await engine.openSession("early", video);
    await pack.editFile("track.onnx", (bytes) => bytes.subarray(0, 1000));
    const reason = /track\.onnx: the length differs: expected \d+ bytes, found 1000\.$/;
    await expect(engine.reload()).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringMatching(reason),
    });
    expect(errors).toEqual([expect.stringMatching(/^the model pack stays as it was: /)]);
    expect(errors[0]).toMatch(reason);

    expect(workerPid(engine)).toBe(pid);
    expect(engine.pack.id).toBe("compact");
    await engine.prompt("early", greyFrame(engine), phrase);
    expect(await engine.openSession("late", video)).toMatchObject({ pack: { id: "compact" } });
  });

  test("loses the sessions of an old process that dies, starts no other in its place, and goes on", async () => {
    await start(compactPackDir);
    const lost: string[][] = [];
    engine.onRestart((ids) => lost.push(ids));
    await engine.openSession("old", video);
    const first = workerPid(engine);
    await engine.reload();
    await engine.openSession("new", video);
    process.kill(first, "SIGKILL");
    await until(async () => lost.length > 0);
    expect(lost).toEqual([["old"]]);
    await engine.closeSession("old");
    expect(await engine.describeSession("new")).toEqual({ concepts: [], objectIds: [] });
    expect(engine.stats().restarts).toBe(1);
  });

  test("runs on the pack that the folder holds when its process has to be replaced", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    await makeTrackerOnly(pack);
    await rm(pack.path("detect.onnx"));
    await pack.editManifest((manifest) => {
      manifest.files = manifest.files.filter(({ name }) => name !== "detect.onnx");
    });
    const pid = workerPid(engine);
    process.kill(pid, "SIGKILL");
    await until(() => engine.stats().restarts === 1);
    expect(await engine.openSession("next", video)).toMatchObject({ pack: { id: "tracker-only" } });
    expect(engine.pack.id).toBe("tracker-only");
  });
});
