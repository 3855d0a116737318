/** Who waits for whom while videos are opened, and what ends the processes that open them. */
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SingleRequest } from "../../protocol/index.js";
import { ProtocolError, parseRequest } from "../../protocol/index.js";
import { readConfig, type ServerOptions } from "../../server/config.js";
import { ffprobePath } from "../../server/media/binaries.js";
import { openMedia } from "../../server/media/open.js";
import { createShares } from "../../server/shares/shares.js";
import { toolPlaces } from "../../server/tool-places.js";
import { createFakeClock } from "../helpers/fake-clock.js";
import { ffmpegChildren, makeClip, mediaPath } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { stableValue, until } from "../helpers/settle.js";

let good: string;
/** A video that ffprobe never finishes reading. */
let endless: string;
let server: TestServer | undefined;

beforeEach(async () => {
  good = await makeClip({ name: "good.mp4", frames: 12 });
  endless = mediaPath("endless.mp4");
  copyFileSync(good, endless);
  writeFileSync(endless, "ENDLESS", { flag: "a" });
  const path = mediaPath("ffprobe");
  const script = `#!/bin/sh
tail -c 7 /proc/self/fd/3 | grep -q ENDLESS && while :; do sleep 0.1; done
exec "${ffprobePath()}" "$@"
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  vi.stubEnv("FFPROBE_PATH", path);
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  vi.unstubAllEnvs();
  await until(() => ffmpegChildren().length === 0);
});

async function start(options: ServerOptions = {}): Promise<TestServer> {
  server = await startTestServer(options, { engine: createScriptedEngine() });
  return server;
}

const running = () => ffmpegChildren().length;

function clientOf({ predictor }: TestServer, owner: string) {
  const client = predictor.connect({ owner });
  return (message: object) => client.answer(parseRequest(message) as SingleRequest);
}

const startOf = (session_id: string, resource_path: string) => ({
  type: "start_session",
  session_id,
  resource_path,
});

// The tools see the file under a name of /proc.
describe.runIf(process.platform === "linux")("videos of several owners", () => {
  it("eight endless ones of one owner do not delay those of another", async () => {
    const one = await start();
    const hostile = clientOf(one, "hostile");
    const other = clientOf(one, "other");
    const starts = Array.from({ length: 8 }, (_, i) => hostile(startOf(`h${i}`, endless)));
    const settled = Promise.allSettled(starts);
    expect(await stableValue(running)).toBe(2);
    for (const id of ["a", "b", "c"]) {
      expect(await other(startOf(id, good))).toMatchObject({ session_id: id, num_frames: 12 });
    }
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => hostile({ type: "close_session", session_id: `h${i}` })),
    );
    expect(running()).toBe(0);
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { code: "session_not_found", message: "The session was closed while it was being started." },
      });
    }
  });

  it("and one that waits too long gets a retryable code that names the limit", async () => {
    const clock = createFakeClock();
    const shares = createShares({ limits: readConfig({ maxProbesPerOwner: 1 }, {}), clock });
    const places = toolPlaces(shares, "one");
    const closing = new AbortController();
    const hanging = openMedia(endless, { places, signal: closing.signal }).catch((error) => error);
    await until(() => running() === 1);
    const waiting = openMedia(good, { places }).catch((error) => error);
    const leaving = new AbortController();
    const left = openMedia(good, { places, signal: leaving.signal }).catch((error) => error);
    await stableValue(running);
    leaving.abort(new Error("the client left"));
    expect(await left).toMatchObject({ message: "the client left" });
    clock.advance(60_000);
    const busy = await waiting;
    expect(busy).toBeInstanceOf(ProtocolError);
    expect(busy.toBody()).toEqual({
      code: "server_busy",
      message: "This client uses 1 of 1 processes (maxProbesPerOwner).",
      retryable: true,
      retry_after_ms: 2000,
      limit: "maxProbesPerOwner",
    });
    closing.abort(new Error("closed"));
    expect(await hanging).toMatchObject({ message: "closed" });
    expect(running()).toBe(0);
    const media = await openMedia(good, { places });
    await media.close();
  });
});

describe.runIf(process.platform === "linux")("the ffprobe of a video that is being opened", () => {
  it("ends when its session is closed", async () => {
    const one = await start();
    const client = await one.connect();
    const starting = client.ask(startOf("s", endless));
    await until(() => running() === 1);
    expect(await client.ask({ type: "close_session", session_id: "s" })).toMatchObject({ is_success: true });
    expect(running()).toBe(0);
    expect(await starting).toMatchObject({ type: "error", error: { code: "session_not_found" } });
    await client.expectResponse(startOf("s", good));
  });

  it("ends when its client disconnects", async () => {
    const one = await start();
    const client = await one.connect();
    client.send(startOf("s", endless));
    await until(() => running() === 1);
    client.terminate();
    await until(() => running() === 0);
    await until(async () => (await one.health()).sessions === 0);
  });

  it("ends when the HTTP request that starts its session ends", async () => {
    const one = await start();
    const leaving = new AbortController();
    const starting = fetch(`${one.http}/v1/handle_request`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(startOf("s", endless)),
      signal: leaving.signal,
    }).catch((error) => error);
    await until(() => running() === 1);
    leaving.abort(new Error("left"));
    expect(await starting).toMatchObject({ message: "left" });
    await until(() => running() === 0);
    await until(async () => (await one.health()).sessions === 0);
  });

  it("ends when the HTTP request that uploads it ends", async () => {
    const one = await start();
    const body = readFileSync(endless);
    const upload = request(`${one.http}/v1/uploads`, {
      method: "POST",
      headers: { "content-type": "video/mp4", "content-length": body.length },
    });
    upload.on("error", () => {});
    upload.end(body);
    await until(() => running() === 1);
    upload.destroy();
    await until(() => running() === 0);
  });
});

describe("places of decoders", () => {
  it("are more for larger pictures: their decoders take more memory", async () => {
    const shares = createShares({ limits: readConfig({}, {}) });
    const places = toolPlaces(shares, "one");
    const heldFor = async (maxPicturePixels: number) => {
      const place = await places.decode({ maxPicturePixels });
      const row = (await shares.use("one")).find(({ name }) => name === "decoders");
      place.release();
      return row?.used;
    };
    expect(await heldFor(4096 * 2304)).toBe(1);
    expect(await heldFor(2 * 3840 * 2160)).toBe(2);
    expect(await heldFor(2 * 7680 * 4320)).toBe(7);
    // A click is decoded beside a stream.
    const [stream, click] = await Promise.all(
      [2 ** 27, 2 ** 27].map((maxPicturePixels) => places.decode({ maxPicturePixels })),
    );
    const third = places.decode({ maxPicturePixels: 2 ** 27 });
    expect(await Promise.race([third, "waits"])).toBe("waits");
    for (const place of [stream, click]) place?.release();
    (await third).release();
  });

  it("are taken once for each stream, and given back when it ends", async () => {
    const taken: string[] = [];
    let held = 0;
    const place = (kind: string) => {
      taken.push(kind);
      held++;
      return { release: () => void held-- };
    };
    const media = await openMedia(good, {
      places: {
        probe: async () => place("probe"),
        decode: async ({ urgent, maxPicturePixels }) => {
          expect(maxPicturePixels).toBe(4096 * 2304);
          return place(urgent ? "click" : "decode");
        },
      },
    });
    expect({ taken: taken.splice(0), held }).toEqual({ taken: ["probe", "decode"], held: 0 });
    await media.frame(3, { width: 32, height: 32 });
    for await (const { index } of media.frames({
      ...{ startFrame: 9, count: 9, direction: "backward", width: 32, height: 32 },
    })) {
      expect(held).toBe(1);
      if (index === 5) break;
    }
    expect({ taken, held }).toEqual({ taken: ["click", "decode"], held: 0 });
    await media.close();
  });
});
