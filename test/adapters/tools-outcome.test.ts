/** What a test with a real tool calls a failure of the adapter, and what it leaves to the machine. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { until } from "../helpers/settle.js";
import { createOutcome, UnusedAnswer, waitFor } from "./tools/outcome.js";
import { type Recorder, startRecorder } from "./tools/recorder.js";

let adapter: Server;
let recorder: Recorder;
let answer: RequestListener = (_, response) => response.end("{}");

beforeEach(async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  adapter = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => adapter.listen(0, "127.0.0.1", resolve));
  recorder = await startRecorder(`http://127.0.0.1:${(adapter.address() as AddressInfo).port}`);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await recorder.close();
  adapter.closeAllConnections();
  await new Promise((resolve) => adapter.close(resolve));
});

const outcomeOf = async (run: () => Promise<void>) => {
  const outcome = createOutcome("tool");
  outcome.watch(() => recorder.problem(0));
  await outcome.part("part", run);
  return outcome.status();
};

describe("a part", () => {
  test("that ends is complete", async () => {
    expect(await outcomeOf(async () => {})).toBe(0);
  });

  test("is incomplete when the tool does not reach the adapter", async () => {
    expect(await outcomeOf(() => Promise.reject(new Error("no window")))).toBe(3);
  });

  test("is incomplete when the adapter has answered everything", async () => {
    answer = (_, response) => response.end("{}");
    const run = async () => {
      await fetch(`${recorder.url}/predict`, { method: "POST", body: "{}" });
      throw new Error("the page is too slow");
    };
    expect(await outcomeOf(run)).toBe(3);
    expect(recorder.requests).toEqual([{ method: "POST", path: "/predict", body: {} }]);
  });

  test("has failed when the adapter does not answer", async () => {
    answer = () => {};
    const leaving = new AbortController();
    const run = async () => {
      const request = fetch(`${recorder.url}/predict`, {
        method: "POST",
        body: "{}",
        signal: leaving.signal,
      });
      request.catch(() => {});
      await until(async () => recorder.problem(0) !== undefined);
      expect(recorder.problem(0)).toBe("The adapter has not answered POST /predict for 0 seconds.");
      expect(recorder.problem(3600)).toBeUndefined();
      throw new Error("there is no answer");
    };
    expect(await outcomeOf(run)).toBe(1);
    leaving.abort();
    await until(async () => recorder.problem(0) === undefined);
  });

  test.each<[string, RequestListener, RegExp]>([
    ["fails", (_, response) => response.writeHead(500).end(), /^The adapter answers GET \/ with 500/],
    ["breaks the connection", (request) => request.destroy(), /^The adapter ends GET \/ without an answer/],
  ])("has failed when the adapter %s", async (_name, listener, sentence) => {
    answer = listener;
    const run = async () => {
      await fetch(recorder.url).catch(() => {});
      throw new Error("there is no answer");
    };
    expect(await outcomeOf(run)).toBe(1);
    expect(recorder.problem(3600)).toMatch(sentence);
  });

  test("has failed when the tool does not use the answer", async () => {
    const run = () => waitFor("accepted answer", 0, () => undefined, UnusedAnswer).then(() => {});
    expect(await outcomeOf(run)).toBe(1);
  });

  test("that fails a comparison has failed also when another one is incomplete", async () => {
    const outcome = createOutcome("tool");
    await outcome.part("part", () => Promise.reject(new Error("slow")));
    outcome.check(false, "wrong");
    expect(outcome.status()).toBe(1);
  });
});

test("the recorder passes answers on as they are", async () => {
  answer = (request, response) => {
    response.writeHead(413, "Too much", { "x-one": request.headers["x-one"] as string });
    request.pipe(response);
  };
  const response = await fetch(`${recorder.url}/a?b=c`, {
    ...{ method: "POST", headers: { "x-one": "1" } },
    body: JSON.stringify({ text: "x".repeat(5000) }),
  });
  expect([response.status, response.statusText, response.headers.get("x-one")]).toEqual([
    413,
    "Too much",
    "1",
  ]);
  expect(((await response.json()) as { text: string }).text).toHaveLength(5000);
  const [{ path, body } = { path: "", body: {} }] = recorder.requests;
  expect([path, (body as { text: string }).text.length]).toEqual(["/a?b=c", 41]);
});
