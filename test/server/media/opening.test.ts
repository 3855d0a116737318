/** The progress of videos that take long to open. */
import { chmodSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ffprobePath } from "../../../server/media/binaries.js";
import { type OpeningProgress, throttleProgress } from "../../../server/media/progress.js";
import { makeClip, mediaPath } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer } from "../../helpers/server.js";

afterEach(() => vi.unstubAllEnvs());

describe("the progress of opening", () => {
  it("is reported at most twice a second, and not within the first half second", () => {
    let nowMs = 0;
    const reports: [number, OpeningProgress][] = [];
    const report = throttleProgress(
      (progress) => reports.push([nowMs, progress]),
      () => nowMs,
    );
    for (; nowMs <= 1200; nowMs += 100) report({ stage: "index", fraction: nowMs / 1200 });
    expect(reports.map(([ms]) => ms)).toEqual([500, 1000]);
  });

  it("never decreases within a stage and stays between 0 and 1", () => {
    let nowMs = 0;
    const fractions: number[] = [];
    const report = throttleProgress(
      ({ fraction }) => fractions.push(fraction),
      () => nowMs,
    );
    for (const fraction of [0.4, 0.2, Number.NaN, 1.7]) {
      nowMs += 500;
      report({ stage: "index", fraction });
    }
    nowMs += 500;
    report({ stage: "decode", fraction: 0.1 });
    expect(fractions).toEqual([0.4, 0.4, 0.4, 1, 0.1]);
  });
});

it("session_opening events precede the answer and name its request", async () => {
  const resource_path = await makeClip({ name: "slow.mp4", frames: 30 });
  // An ffprobe that starts late.
  const slow = mediaPath("slow-ffprobe");
  writeFileSync(slow, `#!/bin/sh\n"${ffprobePath()}" "$@" | { sleep 0.6; cat; }\n`);
  chmodSync(slow, 0o755);
  vi.stubEnv("FFPROBE_PATH", slow);
  const server = await startTestServer({}, { engine: createScriptedEngine() });
  const client = await server.connect();
  const { request_id } = await client.expectResponse({
    type: "start_session",
    session_id: "s",
    resource_path,
  });
  expect(client.received.map(({ type }) => type)).toEqual(["event", "response"]);
  expect(client.received[0]).toMatchObject({
    event: "session_opening",
    request_id,
    session_id: "s",
    stage: "index",
  });
  await server.close();
});
