/** `masklet conformance`: every rule has a check or a reason, a server holds them, and faults are found. */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CHECKS } from "../../../clients/conformance/checks.js";
import { runConformance } from "../../../clients/conformance/run.js";
import { UNTESTABLE } from "../../../clients/conformance/untestable.js";
import { startBrokenProxy } from "../../helpers/broken-proxy.js";
import { callCommand } from "../../helpers/command.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

const document = readFileSync(new URL("../../../PROTOCOL.md", import.meta.url), "utf8");
const rules = [...document.slice(document.indexOf("\n## ")).matchAll(/\*\*\[([A-Z]-\d+)\]\*\*/g)].map(
  ([, rule = ""]) => rule,
);
const checked = new Set(CHECKS.flatMap((one) => one.rules));

type Message = Record<string, unknown>;

describe("the rules of PROTOCOL.md", () => {
  it("have a check each, or a reason why no client can check them", () => {
    expect(rules.filter((rule) => !checked.has(rule) && !UNTESTABLE[rule])).toEqual([]);
  });

  it("have no check and no reason that belongs to no rule", () => {
    expect([...checked, ...Object.keys(UNTESTABLE)].filter((rule) => !rules.includes(rule))).toEqual([]);
  });

  it("have no reason when they have a check", () => {
    expect(Object.keys(UNTESTABLE).filter((rule) => checked.has(rule))).toEqual([]);
  });
});

describe("a server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ liveFramesKept: 32 });
  });
  afterAll(() => server.close());

  /** The rules that broke when the messages of the server are changed. */
  async function broken(only: string[], change: (message: Message) => Message[]): Promise<string[]> {
    const proxy = await startBrokenProxy(server.http, change);
    try {
      const results = await runConformance({ url: proxy.http, only, timeoutMs: 5000 });
      return results.filter(({ outcome }) => outcome === "broke").map(({ rule }) => rule);
    } finally {
      await proxy.close();
    }
  }

  it("breaks no rule", { timeout: 600_000 }, async () => {
    const { status, stdout, stderr } = await callCommand(["conformance", server.url, "--json"]);
    const { results } = JSON.parse(stdout) as { results: { rule: string; outcome: string }[] };
    expect(results.filter(({ outcome }) => outcome === "broke")).toEqual([]);
    expect(results.filter(({ outcome }) => outcome === "held").length).toBeGreaterThan(220);
    expect(results.length).toBe(rules.length);
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("holds rules through a proxy that changes nothing", async () => {
    // The proxy completes handshakes by itself.
    const isHandshake = (rule: string) => ["C-1", "C-2"].includes(rule);
    const all = await broken(["C"], (message) => [message]);
    expect(all.filter((rule) => !isHandshake(rule))).toEqual([]);
  });

  it("with keys holds the rules about them", async () => {
    const key = `masklet_${randomBytes(32).toString("base64url")}`;
    const keysFile = `anna:sha256:${createHash("sha256").update(key).digest("hex")}`;
    const closed = await startTestServer({ keysFile });
    onTestFinished(() => closed.close());
    const results = await runConformance({ url: closed.http, key, only: ["A", "C-1", "H-3"] });
    expect(results.filter(({ outcome }) => outcome === "broke")).toEqual([]);
    expect(results.filter(({ outcome }) => outcome === "held").map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(["A-1", "A-2", "A-3", "A-5", "A-10", "C-1", "H-3"]),
    );
  });

  it("on all addresses is not tried for a rule about loopback addresses", async () => {
    const open = await startTestServer({ host: "0.0.0.0", insecure: true });
    onTestFinished(() => open.close());
    const hasOthers = Object.values(networkInterfaces())
      .flat()
      .some((one) => one?.internal === false);
    const results = await runConformance({ url: open.http, only: ["H-11"] });
    expect(results.find(({ rule }) => rule === "H-11")?.outcome).toBe(hasOthers ? "not tried" : "broke");
  });

  it("ends idle sessions by the rules", async () => {
    const short = await startTestServer({ idleTimeoutMs: 6000, expiryWarningMs: 3000 });
    onTestFinished(() => short.close());
    const only = ["R-19", "R-20", "T-22", "X-4", "X-5"];
    const results = await runConformance({ url: short.http, only });
    expect(results.map(({ rule, outcome }) => [rule, outcome])).toEqual(only.map((rule) => [rule, "held"]));
  });

  it("breaks rules when a field is missing", async () => {
    expect(
      await broken(["C-18", "T-11", "T-12"], ({ limits: _limits, cancelled: _cancelled, ...rest }) => [rest]),
    ).toEqual(expect.arrayContaining(["T-12"]));
  });

  it("breaks the order of results with a wrong seq", async () => {
    const change = (message: Message) => [
      typeof message.seq === "number" && message.seq > 3 ? { ...message, seq: message.seq + 1 } : message,
    ];
    expect(await broken(["C-10"], change)).toEqual(["C-10"]);
  });

  it("breaks the rule of one answer per request with two", async () => {
    expect(
      await broken(["C-12"], (message) => (message.type === "response" ? [message, message] : [message])),
    ).toContain("C-12");
  });

  it("breaks rules when errors do not arrive", async () => {
    expect(await broken(["C-16", "X-2"], (message) => (message.type === "error" ? [] : [message]))).toEqual(
      expect.arrayContaining(["C-16", "X-2"]),
    );
  });

  it("breaks rules when errors have another code or no field", async () => {
    const change = (message: Message) =>
      message.type === "error"
        ? [{ ...message, error: { ...(message.error as object), field: "other", code: "internal" } }]
        : [message];
    expect(await broken(["C-4", "C-16", "S-4", "X-11"], change)).toEqual(["C-4", "C-16", "S-4", "X-11"]);
  });

  it("breaks rules when masks and frames are not those of the server", async () => {
    const change = (message: Message) => {
      const outputs = message.outputs as { out_obj_ids: number[] } | undefined;
      if (!outputs) return [message];
      if (message.frame_index === 7) return [];
      return [{ ...message, outputs: { ...outputs, out_obj_ids: [...outputs.out_obj_ids].reverse() } }];
    };
    expect(await broken(["O-4", "T-1", "F-15"], change)).toEqual(["F-15", "O-4", "T-1"]);
  });
});

describe("the command", () => {
  it("states that no server answers", async () => {
    const { status, stderr } = await callCommand(["conformance", "ws://127.0.0.1:9"]);
    expect([status, /ECONNREFUSED/.test(stderr)]).toEqual([1, true]);
  });
});
