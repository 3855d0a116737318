/** Replacing the pack of a running engine. */
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../../server/engine/index.js";
import { ended, inferenceProcesses } from "../../helpers/processes.js";
import { click, greyFrame, phrase, recordingHooks, video, workerPid } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { copyCompactPack, makeTrackerOnly } from "../../helpers/tiny-pack.js";

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
    const old = await engine.open(video);
    expect(old.rules).toMatchObject({ pack: { id: "compact" } });
    await makeTrackerOnly(pack);
    expect(await engine.reload()).toMatchObject({ id: "tracker-only", capabilities: { text: false } });
    expect(engine.pack.id).toBe("tracker-only");
    const fresh = await engine.open(video);
    expect(fresh.rules).toMatchObject({ pack: { id: "tracker-only" } });

    await old.prompt({ frame: greyFrame(engine), prompt: phrase });
    await expect(fresh.prompt({ frame: greyFrame(engine), prompt: phrase })).rejects.toMatchObject({
      code: "unsupported_by_pack",
      field: "text",
      message:
        "This model pack does not support a phrase (text). " +
        "It supports clicks or a box on one object (points, bounding_boxes with obj_id), or a mask of one object (mask).",
    });
    expect(await fresh.prompt({ frame: greyFrame(engine), prompt: click })).toMatchObject({ objectId: 0 });
    const before = engine.stats();
    expect(workerPid(engine)).not.toBe(first);

    await old.close();
    await ended(first);
    const { runs, ms } = before.graphs.detect ?? {};
    // What the first process did still counts; the memory it took is free again.
    expect(engine.stats()).toMatchObject({
      frames: before.frames,
      graphs: { detect: { runs, ms, memoryBytes: 0 } },
    });
    expect(await fresh.describe()).toMatchObject({ objectIds: [0] });
  });

  test("keeps the old pack when the new one cannot be used, and logs the reason", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    const pid = workerPid(engine);
    const early = await engine.open(video);
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
    await early.prompt({ frame: greyFrame(engine), prompt: phrase });
    expect((await engine.open(video)).rules).toMatchObject({ pack: { id: "compact" } });
  });

  test("loses the sessions of a retired process that ends, unless the folder still holds their pack", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    const [kept, lost] = [1, 2].map(() => recordingHooks((index) => greyFrame(engine, index)));
    if (!kept || !lost) throw new Error("two recordings expected");
    const old = await engine.open(video, kept.hooks);
    const first = workerPid(engine);
    await engine.reload();
    process.kill(first, "SIGKILL");
    await until(() => kept.events.length > 0);
    expect(kept.events).toEqual(["recovered"]);
    await old.close();

    const other = await engine.open(video, lost.hooks);
    const second = workerPid(engine);
    await makeTrackerOnly(pack);
    await engine.reload();
    process.kill(second, "SIGKILL");
    await until(() => lost.events.length > 0);
    expect(lost.events).toEqual(["lost: engine_restarted"]);
    await expect(other.describe()).rejects.toMatchObject({
      message: "The inference process was restarted with another model pack. Start the session again.",
    });
    expect(await (await engine.open(video)).describe()).toMatchObject({ concepts: [], objectIds: [] });
    expect(engine.stats().restarts).toBe(2);
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
    expect((await engine.open(video)).rules).toMatchObject({ pack: { id: "tracker-only" } });
    expect(engine.pack.id).toBe("tracker-only");
  });

  test("leaves no process when it is closed during a reload", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    const reload = expect(engine.reload()).rejects.toMatchObject({ code: "shutting_down" });
    await until(() => inferenceProcesses().length === 2);
    await engine.close();
    expect(inferenceProcesses()).toEqual([]);
    await reload;
    expect(errors).toEqual([]);
  });

  test("leaves no process when it is closed while a retired process ends", async () => {
    const pack = await copyCompactPack();
    await start(pack.directory);
    const old = await engine.open(video);
    const first = workerPid(engine);
    await engine.reload();
    // A stopped process does not end before it is killed, after a grace period.
    process.kill(first, "SIGSTOP");
    void old.close();
    await engine.close();
    expect(inferenceProcesses()).toEqual([]);
  });
});
