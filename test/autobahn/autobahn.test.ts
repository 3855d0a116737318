/** The cases of Autobahn's fuzzing client against a server, except those that send many megabytes. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { allCases, runCases } from "./all-cases.js";
import type { Case } from "./case.js";

const limits = { maxMessageBytes: 262_144, maxFrameBytes: 1_048_576 };
const isLarge = ({ id }: Case) => /^9\.[12]\.[56]$|^9\.[3-6]\./.test(id);
const cases = allCases(limits).filter((one) => !isLarge(one));

describe("a server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(limits, { engine: createScriptedEngine() });
  });
  afterAll(() => server.close());

  it("passes every case", async () => {
    const results = await runCases({ url: server.url }, cases);
    expect(results.filter(({ verdict }) => verdict === "FAILED")).toEqual([]);
    // The library validates text when the message is complete, which RFC 6455 permits.
    const isStrict = ({ id, verdict }: (typeof results)[number]) => verdict === "OK" || !/^6\.4\./.test(id);
    expect(results.filter((one) => !isStrict(one)).length).toBeLessThanOrEqual(4);
    expect(results.length).toBeGreaterThan(240);
  });
});

describe("the cases", () => {
  const only = (...ids: string[]) => cases.filter(({ id }) => ids.includes(id));

  it("have unique numbers", () => {
    const ids = allCases(limits).map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it("fail with a server that echoes, that compresses, and that answers twice", async () => {
    const echo = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true });
    onTestFinished(() => {
      for (const client of echo.clients) client.terminate();
      echo.close();
    });
    echo.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.on("message", (data, isBinary) => {
        if (isBinary) return socket.send(data);
        const answer = JSON.stringify({ type: "error", error: { code: "malformed_json" } });
        socket.send(answer);
        if (data.toString().startsWith("Hello")) socket.send(answer);
      });
    });
    await once(echo, "listening");
    const target = { url: `ws://127.0.0.1:${(echo.address() as AddressInfo).port}/v1` };
    const results = await runCases(target, only("1.1.2", "1.2.2", "2.2", "7.1.1", "7.9.1", "12.1.*"));
    expect(Object.fromEntries(results.map(({ id, verdict }) => [id, verdict]))).toEqual({
      "1.1.2": "OK",
      "1.2.2": "FAILED",
      "2.2": "OK",
      "7.1.1": "FAILED",
      "7.9.1": "OK",
      "12.1.*": "FAILED",
    });
  });
});
