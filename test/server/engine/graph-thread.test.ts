/** The thread that encodes frames ends: the inference process is replaced. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createEngine } from "../../../server/engine/index.js";
import { greyFrame, phrase, recordingHooks, video } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

test("replaces the process when the thread exits without an error, and the session continues", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "masklet-test-thread-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  // Loaded into every thread of the inference process: ends the thread of a graph when the file `exit` appears.
  const preload = path.join(folder, "preload.cjs");
  const trigger = path.join(folder, "exit");
  await writeFile(
    preload,
    `const { rmSync } = require("node:fs");
     setInterval(() => {
       // The program of a thread is not known yet while its preloaded modules run.
       if (!/graph-thread-main/.test(process.argv[1])) return;
       try {
         rmSync(${JSON.stringify(trigger)});
       } catch {
         return;
       }
       process.exit(3);
     }, 50).unref();`,
  );
  const { NODE_OPTIONS } = process.env;
  process.env.NODE_OPTIONS = `--require ${JSON.stringify(preload)}`;
  onTestFinished(() => {
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = NODE_OPTIONS;
  });
  const engine = await createEngine({ packDir: compactPackDir, threads: 1 });
  onTestFinished(() => engine.close());
  const { hooks, events } = recordingHooks((index) => greyFrame(engine, index));
  const session = await engine.open(video, hooks);
  await session.prompt({ frame: greyFrame(engine), prompt: phrase });

  await writeFile(trigger, "");
  await until(() => engine.stats().restarts === 1);
  await session.prompt({ frame: greyFrame(engine), prompt: phrase });
  expect(events).toEqual(["recovered"]);
});
