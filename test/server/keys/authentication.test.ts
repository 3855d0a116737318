/** Keys over real sockets and real HTTP. */
import { once } from "node:events";
import { readFile, rename, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { FIXED_LIMITS } from "../../../protocol/index.js";
import { createKey } from "../../../server/keys/key.js";
import { keyLine } from "../../../server/keys/key-lines.js";
import { connect } from "../../helpers/client.js";
import { sendRaw } from "../../helpers/hostile-http.js";
import { makeKeys } from "../../helpers/keys.js";
import { makeClip, mediaPath } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";
import { until } from "../../helpers/settle.js";

const { keysFile, keys } = makeKeys("ann", "bob");
const lines: string[] = [];
const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
let server: TestServer;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "keys.mp4", frames: 4 });
  server = await startTestServer(
    { keysFile, authenticationMs: 60_000 },
    { engine: createScriptedEngine(), log },
  );
});

afterAll(() => server.close());

/** A server of its own, because a test must not use up the invalid keys of the address. */
async function start(options = {}): Promise<TestServer> {
  const own = await startTestServer({ keysFile, ...options }, { engine: createScriptedEngine(), log });
  onTestFinished(() => own.close());
  return own;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const basic = (user: string, key: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${key}`).toString("base64")}`,
});

async function refusal(response: Response) {
  return {
    status: response.status,
    ...((await response.json()) as { error: { code: string; message: string } }).error,
  };
}

describe("HTTP with keys", () => {
  test.each(["/livez", "/readyz", "/healthz"])("%s needs no key", async (path) => {
    expect((await fetch(server.http + path)).status).toBe(200);
  });

  test.each([
    ["GET", "/metrics"],
    ["GET", "/nowhere"],
    ["GET", "/v1/sessions"],
    ["GET", "/v1/sessions/x/frame-times"],
    ["GET", "/v1/sessions/x/media"],
    ["GET", "/v1/sessions/x/frames"],
    ["GET", "/v1/sessions/x/frames/0.jpeg"],
    ["GET", "/v1/sessions/x/results"],
    ["GET", "/v1/sessions/x/export/coco"],
    ["POST", "/v1/sessions/x/import"],
    ["GET", "/v1/exports"],
    ["GET", "/v1/media"],
    ["GET", "/v1"],
    ["POST", "/v1/handle_request"],
    ["POST", "/v1/handle_stream_request"],
    ["POST", "/v1/uploads"],
    ["GET", "/v1/uploads/x"],
    ["DELETE", "/v1/uploads/x"],
    ["POST", "/v1/uploads/tus"],
    ["HEAD", "/v1/uploads/tus/x"],
    ["PATCH", "/v1/uploads/tus/x"],
    ["POST", "/v1/saved"],
    ["GET", "/v1/saved/x"],
    ["DELETE", "/v1/saved/x"],
    ["GET", "/livez/../metrics"],
    ["GET", "//livez"],
  ])("%s %s needs one", async (method, path) => {
    const response = await fetch(server.http + path, { method });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="masklet"/);
    if (method !== "HEAD")
      expect(await refusal(response)).toMatchObject({ code: "unauthenticated", retryable: false });
  });

  test.each([
    ["Bearer", bearer(keys.ann)],
    ["bearer in lower case", { authorization: `bearer ${keys.ann}` }],
    ["Basic with any user name", basic("ann", keys.ann)],
    ["Basic with another user name", basic("bob", keys.ann)],
    ["Basic without a user name", basic("", keys.ann)],
  ])("accepts a key as %s", async (_, headers) => {
    expect((await fetch(`${server.http}/metrics`, { headers })).status).toBe(200);
  });

  test("refuses invalid keys, other schemes, two headers and keys in the query", async () => {
    const own = await start();
    for (const headers of [
      bearer(createKey()),
      bearer(keys.ann.slice(0, -1)),
      bearer(`${keys.ann},${keys.bob}`),
      basic(keys.ann, ""),
      basic("ann", `${keys.ann} x`),
      { authorization: `Digest ${keys.ann}` },
      { authorization: keys.ann },
    ]) {
      const response = await fetch(`${own.http}/metrics`, { headers });
      expect(await refusal(response)).toMatchObject({ status: 401, code: "unauthenticated" });
    }
    for (const name of ["key", "token", "access_token"]) {
      const response = await fetch(`${own.http}/metrics?${name}=${keys.ann}`, { headers: bearer(keys.ann) });
      expect(await refusal(response)).toMatchObject({
        status: 401,
        message: expect.stringContaining(`?${name}=`),
      });
    }
    const twice = `GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${keys.ann}\r\nAuthorization: Bearer ${keys.bob}\r\n\r\n`;
    expect(await sendRaw(own.port, Buffer.from(twice))).toMatch(
      /^HTTP\/1\.1 401 [\s\S]*expected one header, got 2/,
    );
  });

  test("offers Basic to programs, not to browsers, which would ask for a password", async () => {
    const request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    expect(await sendRaw(server.port, Buffer.from(request))).toMatch(
      /\r\nwww-authenticate: Bearer realm="masklet", Basic realm="masklet"\r\n/i,
    );
    // `fetch` has a header of browsers, Sec-Fetch-Mode.
    const response = await fetch(`${server.http}/metrics`);
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="masklet"');
  });

  test("a page reads the refusal, and its preflight needs no key", async () => {
    const origin = "http://localhost:3000";
    const preflight = await fetch(`${server.http}/v1/handle_request`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toMatch(/\bauthorization\b/);
    const refused = await fetch(`${server.http}/metrics`, { headers: { origin } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get("access-control-allow-origin")).toBe(origin);
    const served = await fetch(`${server.http}/metrics`, { headers: { origin, ...bearer(keys.ann) } });
    expect(served.status).toBe(200);
  });

  test("answers after ten invalid keys with 429, and still accepts a valid one", async () => {
    const own = await start();
    const attempt = (key: string) => fetch(`${own.http}/metrics`, { headers: bearer(key) });
    for (let failed = 0; failed < FIXED_LIMITS.failedKeysPerMinute.value; failed++) {
      expect((await attempt(createKey())).status).toBe(401);
    }
    const limited = await attempt(createKey());
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refusal(limited)).toMatchObject({ status: 429, code: "rate_limit", retryable: true });
    await expect(connect(own.url, undefined, bearer(createKey()))).rejects.toThrow("429");
    expect((await attempt(keys.ann)).status).toBe(200);
    expect((await fetch(`${own.http}/metrics`)).status).toBe(401);
  });

  test("does not read the body of an upload without a key", async () => {
    const socket = connectTcp(server.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    const ended = once(socket, "close");
    socket.write("POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nabc");
    await ended;
    expect(answer).toMatch(/^HTTP\/1\.1 401 [\s\S]*connection: close/i);
  });

  test("counts the requests of an owner, and answers with 429 above the limit", async () => {
    const own = await start({ maxRequestsPerMinutePerOwner: 3 });
    const ask = (key: string) =>
      fetch(`${own.http}/v1/handle_request`, {
        method: "POST",
        headers: bearer(key),
        body: '{"type":"close_session","session_id":"x"}',
      });
    for (let made = 0; made < 3; made++) expect((await ask(keys.ann)).status).toBe(200);
    const limited = await ask(keys.ann);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refusal(limited)).toMatchObject({ status: 429, code: "rate_limit" });
    expect((await ask(keys.bob)).status).toBe(200);
  });
});

describe("WebSockets with keys", () => {
  test("a key of the handshake is the owner of the connection", async () => {
    const client = await server.connect(keys.ann);
    const answer = await client.expectResponse({ type: "authenticate", key: keys.ann });
    expect(answer).toMatchObject({ is_success: true, owner: "key ann" });
    const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
    await client.expectResponse({ type: "close_session", session_id });
    await client.close();
  });

  test("an invalid key of the handshake is refused before the socket opens", async () => {
    const own = await start();
    await expect(connect(own.url, undefined, bearer(createKey()))).rejects.toThrow("401");
    await expect(connect(`${own.url}?key=${keys.ann}`, undefined)).rejects.toThrow("401");
  });

  test("a key of the first message is the owner of the connection", async () => {
    const client = await server.connect();
    expect(await client.expectResponse({ type: "authenticate", key: keys.bob })).toMatchObject({
      owner: "key bob",
    });
    await client.expectResponse({ type: "get_server" });
    await client.close();
  });

  test("requests that follow the key at once are served in order", async () => {
    const client = await server.connect();
    client.send({ type: "authenticate", key: keys.bob });
    const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
    await client.expectResponse({ type: "close_session", session_id });
    await client.close();
  });

  test.each([
    ["a request", { type: "get_server" }, "1"],
    ["a request about a session", { type: "get_session", session_id: "x" }, "1"],
    ["an ack", '{"type":"ack","request_id":"1","num_frames":1}', null],
    ["no JSON", "nonsense", null],
    ["bytes", Buffer.from("nonsense"), null],
    ["authenticate without a key", { type: "authenticate" }, "1"],
    ["authenticate with a key that is a number", { type: "authenticate", key: 7 }, "1"],
    ["authenticate without a request_id", '{"type":"authenticate","key":"x"}', null],
  ])("%s as the first message ends the connection with 4401", async (_, message, requestId) => {
    const client = await server.connect();
    client.send(message);
    // Further messages have no effect.
    client.send({ type: "authenticate", key: keys.ann });
    expect(await client.closed).toBe(4401);
    expect(client.received).toEqual([
      expect.objectContaining({
        type: "error",
        request_id: requestId,
        error: expect.objectContaining({ code: "unauthenticated", retryable: false }),
      }),
    ]);
  });

  test("a problem of authenticate names its field", async () => {
    const client = await server.connect();
    expect(await client.expectError({ type: "authenticate", kee: "x" })).toMatchObject({
      code: "unauthenticated",
      field: "kee",
    });
  });

  test("invalid keys end the connection with 4401, and get rate_limit after ten", async () => {
    const own = await start();
    const codes: string[] = [];
    for (let failed = 0; failed <= FIXED_LIMITS.failedKeysPerMinute.value; failed++) {
      const client = await own.connect();
      codes.push((await client.expectError({ type: "authenticate", key: createKey() })).code);
      expect(await client.closed).toBe(4401);
    }
    expect(codes).toEqual([
      ...Array(FIXED_LIMITS.failedKeysPerMinute.value).fill("unauthenticated"),
      "rate_limit",
    ]);
    const client = await own.connect();
    await client.expectResponse({ type: "authenticate", key: keys.ann });
  });

  test("a client that sends no key in time is disconnected, whatever else it sends", async () => {
    const own = await start({ authenticationMs: 200 });
    const client = await own.connect();
    const pings = setInterval(() => client.socket.ping(), 20);
    onTestFinished(() => clearInterval(pings));
    expect(await client.closed).toBe(4401);
    expect(client.received).toMatchObject([
      { type: "error", request_id: null, error: { code: "unauthenticated" } },
    ]);
    const timely = await own.connect();
    await timely.expectResponse({ type: "authenticate", key: keys.ann });
    await own.connect().then((late) => late.closed);
    await timely.expectResponse({ type: "get_server" });
  });

  test("a client without a key cannot send more than a few messages' bytes", async () => {
    const client = await server.connect();
    client.send(Buffer.alloc(FIXED_LIMITS.unauthenticatedBytes.value + 1));
    expect(await client.closed).toBe(1006);
    const owner = await server.connect();
    await owner.expectResponse({ type: "authenticate", key: keys.ann });
    const large = Buffer.alloc(2 * FIXED_LIMITS.unauthenticatedBytes.value);
    expect(await owner.expectError(large)).toMatchObject({ code: "binary_not_expected" });
  });

  test("a second key must belong to the same owner and be valid", async () => {
    const own = await start();
    const client = await own.connect(keys.ann);
    expect(await client.expectError({ type: "authenticate", key: keys.bob })).toMatchObject({
      code: "invalid_field",
      field: "key",
    });
    await client.expectResponse({ type: "get_server" });
    expect(await client.expectError({ type: "authenticate", key: createKey() })).toMatchObject({
      code: "unauthenticated",
    });
    expect(await client.closed).toBe(4401);
  });

  test("requests above the limit of an owner get rate_limit; an ack does not count", async () => {
    const own = await start({ maxRequestsPerMinutePerOwner: 5 });
    const client = await own.connect(keys.ann);
    const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
    await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, text: "ball" });
    const id = client.send({ type: "propagate_in_video", session_id, window: 10 });
    for (let frames = 1; frames <= 4; frames++) {
      client.send(JSON.stringify({ type: "ack", request_id: id, num_frames: frames }));
    }
    expect((await client.streamOf(id)).end).toMatchObject({ type: "done" });
    await client.expectResponse({ type: "get_server" });
    expect(await client.expectError("nonsense")).toMatchObject({ code: "malformed_json" });
    expect(await client.expectError({ type: "get_server" })).toMatchObject({
      code: "rate_limit",
      retryable: true,
      retry_after_ms: expect.any(Number),
      limit: "maxRequestsPerMinutePerOwner",
    });
    expect(await client.expectError("nonsense")).toMatchObject({ code: "rate_limit" });
    const other = await own.connect(keys.bob);
    await other.expectResponse({ type: "get_server" });
  });

  test("a server without keys accepts authenticate with any key", async () => {
    const open = await startTestServer({}, { engine: createScriptedEngine() });
    onTestFinished(() => open.close());
    const client = await open.connect("anything");
    expect(await client.expectResponse({ type: "authenticate", key: "anything" })).toMatchObject({
      owner: "address loopback",
    });
    expect((await fetch(`${open.http}/metrics?key=x`, { headers: bearer("x") })).status).toBe(200);
  });
});

describe("the removal of a key", () => {
  async function startFromFile() {
    const second = createKey();
    const path = mediaPath(`reload-${Math.random()}.keys`);
    const write = async (...content: string[]) => {
      await writeFile(`${path}.next`, content.join("\n"), { mode: 0o600 });
      await rename(`${path}.next`, path);
    };
    await write(keyLine("ann", keys.ann), keyLine("ann", second), keyLine("bob", keys.bob));
    return { own: await start({ keysFile: path }), write, second };
  }

  test("closes its sockets with 4401, and no others", async () => {
    const { own, write, second } = await startFromFile();
    const [removed, byMessage, rotated, bob] = await Promise.all([
      own.connect(keys.ann),
      own.connect(),
      own.connect(second),
      own.connect(keys.bob),
    ]);
    await byMessage.expectResponse({ type: "authenticate", key: keys.ann });
    const { session_id } = await removed.expectResponse({ type: "start_session", resource_path: clip });
    await write(keyLine("ann", second), keyLine("bob", keys.bob, 5));
    expect(await own.reloadKeys?.()).toBe("2 keys of 2 owners");
    expect(await Promise.all([removed.closed, byMessage.closed])).toEqual([4401, 4401]);
    await bob.expectResponse({ type: "get_server" });
    expect(await rotated.expectResponse({ type: "get_server" })).toMatchObject({ sessions: 1 });
    expect((await fetch(`${own.http}/metrics`, { headers: bearer(keys.ann) })).status).toBe(401);
    // The session stays, and the other key of the owner reaches it.
    const described = await fetch(`${own.http}/v1/handle_request`, {
      method: "POST",
      headers: bearer(second),
      body: JSON.stringify({ type: "get_session", session_id }),
    });
    expect(described.status).toBe(200);
  });

  test("ends its uploads in progress", async () => {
    const { own, write, second } = await startFromFile();
    const socket = connectTcp(own.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    const clipBytes = await readFile(clip);
    socket.write(
      `POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${keys.ann}\r\nContent-Length: 1000000\r\n\r\n`,
    );
    socket.write(clipBytes.subarray(0, 100));
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    // The server reads this request after the upload.
    expect((await fetch(`${own.http}/metrics`, { headers: bearer(second) })).status).toBe(200);
    const ended = once(socket, "close");
    await write(keyLine("ann", second));
    await own.reloadKeys?.();
    await ended;
    expect(answer).toBe("");
  });

  test("keeps the keys when the file is invalid, empty or gone", async () => {
    const { own, write } = await startFromFile();
    const client = await own.connect(keys.ann);
    for (const content of ["nonsense", "", "# all removed"]) {
      await write(content);
      await expect(own.reloadKeys?.()).rejects.toThrow(RangeError);
      await client.expectResponse({ type: "get_server" });
      expect((await fetch(`${own.http}/metrics`, { headers: bearer(keys.bob) })).status).toBe(200);
    }
  });
});

describe("the start", () => {
  const startWith = (options: object) =>
    startTestServer({ ...options }, { engine: createScriptedEngine(), log }).then((own) => own.close());

  test.each(["0.0.0.0", "::", "192.0.2.1", "masklet.example", "127.0.0.1.example", "0"])(
    "on %s is refused without keys",
    async (host) => {
      await expect(startWith({ host })).rejects.toThrow(
        new RegExp(
          `^host is "${host.replaceAll(".", "\\.")}"; without keys it must be a loopback address .*--keys.*--insecure`,
        ),
      );
    },
  );

  test.each(["127.0.0.1", "localhost", "127.0.0.2"])("on %s needs no keys", async (host) => {
    await startWith({ host });
  });

  test("on every address needs keys or insecure, which is logged as a warning", async () => {
    await startWith({ host: "0.0.0.0", keysFile });
    const before = lines.length;
    await startWith({ host: "0.0.0.0", insecure: true });
    expect(lines.slice(before).map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        level: 40,
        msg: "the server has no keys and serves everyone who reaches its port",
      }),
    );
  });

  test("with a file that contains no keys is refused, with or without insecure", async () => {
    await expect(startWith({ keysFile: mediaPath("no-such.keys"), insecure: true })).rejects.toThrow(
      /^The keys file .*no-such\.keys does not exist\.$/,
    );
    await expect(startWith({ keysFile: "ann:sha256:" })).rejects.toThrow(/^The setting keysFile, line 1: /);
  });
});

test("no line of the log contains a key, a hash or a query", async () => {
  const own = await start();
  const wrong = createKey();
  await fetch(`${own.http}/metrics?key=${wrong}&other=query`, { headers: bearer(keys.ann) });
  await fetch(`${own.http}/metrics`, { headers: { ...basic("ann", wrong), cookie: "a=cookie-secret" } });
  const raw = `GET http://user:${wrong}@evil.example/v1?token=${wrong} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  expect(await sendRaw(own.port, Buffer.from(raw))).toMatch(/^HTTP\/1\.1 421 /);
  for (const message of [
    { type: "authenticate", key: wrong },
    `{"type":"authenticate","request_id":"1","key":"${wrong}" x}`,
    { type: "authenticate", key: [wrong] },
    { type: wrong, key: wrong },
  ]) {
    const client = await own.connect();
    client.send(message);
    await client.closed;
  }
  const client = await own.connect(keys.ann);
  await client.expectError({ type: "authenticate", key: wrong });
  await own.close();
  const text = lines.join("");
  for (const secret of [
    wrong,
    wrong.slice(8, 24),
    keys.ann,
    keys.bob,
    "cookie-secret",
    "other=query",
    ...(keysFile.match(/[0-9a-f]{64}/g) ?? []),
  ]) {
    // Not toContain: its failure would print the whole log.
    expect([secret, text.includes(secret)]).toEqual([secret, false]);
  }
  const refusals = lines.map((line) => JSON.parse(line)).filter(({ code }) => code === "unauthenticated");
  expect(refusals.length).toBeGreaterThan(3);
  for (const line of refusals) expect(line.address).toMatch(/127\.0\.0\.1/);
});

test("the log has the owner of a WebSocket from the time at which it is known", async () => {
  const events: { msg: string; owner?: string }[] = [];
  const own = await startTestServer(
    { keysFile },
    {
      engine: createScriptedEngine(),
      log: pino({ level: "info" }, { write: (line: string) => void events.push(JSON.parse(line)) }),
    },
  );
  onTestFinished(() => own.close());
  const client = await own.connect();
  await client.expectResponse({ type: "authenticate", key: keys.bob });
  await client.close();
  await until(() => events.some(({ msg }) => msg === "websocket closed"));
  const withKey = await own.connect(keys.ann);
  await withKey.close();
  await until(() => events.filter(({ msg }) => msg === "websocket closed").length === 2);
  const ofSockets = events.filter(({ msg }) => msg.startsWith("websocket "));
  expect(ofSockets.map(({ msg, owner }) => [msg, owner])).toEqual([
    ["websocket opened", undefined],
    ["websocket identified", "key bob"],
    ["websocket closed", "key bob"],
    ["websocket opened", "key ann"],
    ["websocket closed", "key ann"],
  ]);
});

test("a socket that closes during its handshake or before its key leaves nothing behind", async () => {
  const own = await start({ authenticationMs: 60_000 });
  for (let opened = 0; opened < 5; opened++) {
    const socket = new WebSocket(own.url, "masklet.v1");
    await once(socket, "open");
    socket.terminate();
  }
  const metrics = () =>
    fetch(`${own.http}/metrics`, { headers: bearer(keys.ann) }).then((response) => response.text());
  await until(async () => (await metrics()).includes("masklet_connections 0\n"));
});
