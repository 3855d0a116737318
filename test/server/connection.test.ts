/** One connection on a scripted transport. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServerMessage } from "../../protocol/index.js";
import { type Connection, openConnection } from "../../server/connection.js";
import { createLog } from "../../server/log.js";
import { createMetrics } from "../../server/metrics.js";
import { createPredictor, type Predictor } from "../../server/predictor.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { stableValue, until } from "../helpers/settle.js";

/** Records sent messages. A send completes at once while `open`, otherwise at the next `take`. */
function createScriptedTransport() {
  const sent: ServerMessage[] = [];
  const waiting: (() => void)[] = [];
  const transport = {
    sent,
    open: true,
    paused: false,
    take: () => waiting.shift()?.(),
    send(data: string | Uint8Array) {
      sent.push(JSON.parse(String(data)));
      return transport.open ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve));
    },
    close() {},
    pause() {
      transport.paused = true;
    },
    resume() {
      transport.paused = false;
    },
  };
  return transport;
}

let engine: ScriptedEngine;
let predictor: Predictor;
let transport: ReturnType<typeof createScriptedTransport>;
let connection: Connection;

beforeEach(() => {
  const log = createLog("silent");
  engine = createScriptedEngine();
  predictor = createPredictor({}, { engine, log });
  transport = createScriptedTransport();
  connection = openConnection({
    transport,
    predictor,
    owner: "address loopback",
    ownerOfKey: async () => "address loopback",
    maxPendingRequests: 3,
    log,
    metrics: createMetrics(),
  });
});

afterEach(() => predictor.close());

let nextId = 1;
function ask(request: object): string {
  const request_id = String(nextId++);
  connection.onText(JSON.stringify({ request_id, ...request }));
  return request_id;
}

async function answerTo(request_id: string): Promise<ServerMessage> {
  const isAnswer = (message: ServerMessage) => "request_id" in message && message.request_id === request_id;
  await until(() => transport.sent.some(isAnswer));
  return transport.sent.find(isAnswer) as ServerMessage;
}

async function openClicked(): Promise<void> {
  const resource_path = await makeClip({ name: "connection.mp4", frames: 20 });
  await answerTo(ask({ type: "start_session", session_id: "s", resource_path }));
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  await answerTo(ask({ type: "add_prompt", session_id: "s", frame_index: 0, ...click }));
}

test("stops reading at the limit of unanswered requests, and resumes below it", async () => {
  await openClicked();
  const release = engine.hold("describe");
  const get = { type: "get_session", session_id: "s" };
  ask(get);
  ask(get);
  expect(transport.paused).toBe(false);
  const last = ask(get);
  expect(transport.paused).toBe(true);
  // A request that was already on its way is answered as well.
  const late = ask(get);
  release();
  await answerTo(last);
  expect(await answerTo(late)).toMatchObject({ type: "response" });
  await connection.answered();
  expect(transport.paused).toBe(false);
});

test("counts errors that are not sent yet as unanswered, so that invalid messages do not accumulate", async () => {
  transport.open = false;
  connection.onText("nonsense");
  connection.onBinary(Buffer.from("nonsense"));
  connection.onText("{}");
  expect(transport.paused).toBe(true);
  await until(() => transport.sent.length === 3);
  transport.take();
  await until(() => !transport.paused);
});

test("computes the next frame only when the last one is sent", async () => {
  await openClicked();
  transport.open = false;
  ask({ type: "propagate_in_video", session_id: "s" });
  const computed = () => engine.calls.filter((call) => call.startsWith("next")).length;
  await engine.called("next 0");
  expect(await stableValue(computed)).toBe(1);
  transport.take();
  await engine.called("next 1");
  expect(await stableValue(computed)).toBe(2);
  // The results of a session are sent in the order of their numbers.
  const facts = ask({ type: "get_session", session_id: "s" });
  await engine.called("describe");
  transport.open = true;
  transport.take();
  expect(await answerTo(facts)).toMatchObject({ propagating: true });
});

test("reports a fault of the server as internal, without its details", async () => {
  await openClicked();
  engine.failWith("describe", new TypeError("cannot read /etc/secret"));
  const answer = await answerTo(ask({ type: "get_session", session_id: "s" }));
  expect(answer).toMatchObject({ type: "error", error: { code: "internal", retryable: false } });
  expect(JSON.stringify(answer)).not.toContain("secret");
});
