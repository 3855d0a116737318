/** What an operator sees: the access log and the metrics. */
import { expect, onTestFinished, test } from "vitest";
import type { ServerOptions } from "../../server/config.js";
import { createLog } from "../../server/log.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

interface Line {
  level: number;
  msg: string;
  [field: string]: unknown;
}

async function observed(options: ServerOptions = {}, level = "info") {
  const lines: Line[] = [];
  const log = createLog(level, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const server = await startTestServer(options, { engine: createScriptedEngine(), log });
  onTestFinished(() => server.close());
  const lineOf = async (message: string): Promise<Line> => {
    await until(() => lines.some(({ msg }) => msg === message));
    return lines.find(({ msg }) => msg === message) as Line;
  };
  return { server, lines, lineOf };
}

test("logs each HTTP request once, with an id that the answer contains, and without its query", async () => {
  const { server, lines, lineOf } = await observed();
  const answer = await fetch(`${server.http}/v1/nothing?filename=secret`, {
    headers: { "x-request-id": "a-1" },
  });
  expect(answer.headers.get("x-request-id")).toBe("a-1");
  const line = await lineOf("http request");
  expect(line).toMatchObject({
    ...{ level: 30, requestId: "a-1", method: "GET", path: "/v1/nothing", status: 404 },
    ...{ owner: "address loopback", address: expect.stringContaining("127.0.0.1") },
  });
  expect(line.sentBytes).toBeGreaterThan(50);
  expect(JSON.stringify(lines)).not.toContain("secret");
  expect(lines.filter(({ msg }) => msg === "http request")).toHaveLength(1);
});

test("replaces a request id that could forge log lines", async () => {
  const { server } = await observed();
  for (const id of ["a b", "x".repeat(129), '{"level":50}']) {
    const answer = await fetch(`${server.http}/readyz`, { headers: { "x-request-id": id } });
    expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test("logs the requests of supervisors at debug level only", async () => {
  const { server, lines, lineOf } = await observed();
  await fetch(`${server.http}/metrics`);
  await fetch(`${server.http}/readyz`);
  await fetch(`${server.http}/v1/nothing`);
  await lineOf("http request");
  expect(lines.filter(({ msg }) => msg === "http request").map(({ path }) => path)).toEqual(["/v1/nothing"]);
});

test("logs when a WebSocket is opened and closed", async () => {
  const { server, lineOf } = await observed();
  const client = await server.connect();
  expect(await lineOf("websocket opened")).toMatchObject({ connection: 1, owner: "address loopback" });
  client.close();
  expect(await lineOf("websocket closed")).toMatchObject({ connection: 1, code: expect.any(Number) });
});

test("leaves secrets out of every field of the log", () => {
  const lines: string[] = [];
  const log = createLog("info", { write: (line: string) => void lines.push(line) });
  const secret = "masklet_0123";
  log.info({ key: secret, headers: { authorization: secret, cookie: secret } }, "one");
  log.info({ request: { body: { session_token: secret } } }, "two");
  expect(lines).toHaveLength(2);
  expect(lines.join("")).not.toContain(secret);
});

test("measures every stage of a frame, the requests and the shares", async () => {
  const { server } = await observed({ maxSessionsPerOwner: 3 });
  const client = await server.connect();
  const clip = await makeClip({ name: "clip.mp4", frames: 5 });
  const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
  await client.expectResponse({
    type: "add_prompt",
    session_id,
    frame_index: 0,
    points: [[0.5, 0.5]],
    point_labels: [1],
  });
  const { frames } = await client.stream({ type: "propagate_in_video", session_id });
  const text = await (await fetch(`${server.http}/metrics`)).text();
  const value = (name: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.split(" ")[1],
    );
  for (const stage of ["decode", "engine", "output", "send"])
    expect(value(`masklet_stage_seconds_count{stage="${stage}"}`), stage).toBeGreaterThanOrEqual(
      frames.length,
    );
  expect(value('masklet_request_seconds_count{type="start_session"}')).toBe(1);
  expect(value('masklet_share_used{share="sessions"}')).toBe(1);
  expect(value('masklet_share_limit{share="sessions"}')).toBe(32);
  expect(value("masklet_sent_bytes_total")).toBeGreaterThan(1000);
  expect(value("masklet_received_bytes_total")).toBeGreaterThan(100);
  // One HELP and one TYPE line for each name, before its samples: Prometheus rejects anything else.
  const types = text
    .split("\n")
    .filter((line) => line.startsWith("# TYPE "))
    .map((line) => line.split(" ")[2]);
  expect(types).toEqual([...new Set(types)]);
  const { shares } = await client.expectResponse({ type: "get_server" });
  expect(shares).toContainEqual({ name: "sessions", unit: "sessions", used: 1, limit: 3 });
});
