/** The answer to a body that the server does not read to its end reaches a client that still sends. */
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({}, { engine: createScriptedEngine() });
});
afterAll(() => server.close());

const announced = 2 * 1024 ** 3;
const noise = Buffer.alloc(64 * 1024, 0xa5);
const tus = { "tus-resumable": "1.0.0" };

/** Sends noise until the socket closes, as fast as it is read. Returns the answer and the number of bytes that were sent. */
async function flood(lines: string[], prefix = ""): Promise<{ answer: string; sentBytes: number }> {
  const socket = connect(server.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (data) => {
    answer += data.toString("latin1");
  });
  socket.on("error", () => {});
  socket.write([...lines, "Host: localhost", "", prefix].join("\r\n"));
  let isOpen = true;
  let sentBytes = 0;
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      isOpen = false;
      resolve();
    });
  });
  while (isOpen) {
    sentBytes += noise.length;
    if (!socket.write(noise))
      await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
    else await new Promise(setImmediate);
  }
  return { answer, sentBytes };
}

async function tusAddress(): Promise<string> {
  const headers = { ...tus, "upload-length": String(announced) };
  const created = await fetch(`${server.http}/v1/uploads/tus`, { method: "POST", headers });
  return created.headers.get("location") as string;
}

describe("a client that does not stop sending", () => {
  const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\n\r\n';
  it.each<[string, () => Promise<string[]>, number, string]>([
    ["a file", async () => ["POST /v1/uploads HTTP/1.1"], 415, ""],
    [
      "a part of a form",
      async () => ["POST /v1/uploads HTTP/1.1", "Content-Type: multipart/form-data; boundary=b"],
      415,
      part,
    ],
    [
      "a form without its boundary",
      async () => ["POST /v1/uploads HTTP/1.1", "Content-Type: multipart/form-data; boundary=b"],
      400,
      "",
    ],
    [
      "a resumable upload",
      async () => [
        `PATCH ${await tusAddress()} HTTP/1.1`,
        "Tus-Resumable: 1.0.0",
        "Upload-Offset: 0",
        "Content-Type: application/offset+octet-stream",
      ],
      415,
      "",
    ],
    ["a file that is no saved session", async () => ["POST /v1/saved HTTP/1.1"], 422, ""],
    ["an unknown path", async () => ["POST /v1/nothing HTTP/1.1"], 404, ""],
  ])("%s", async (_, lines, status, prefix) => {
    const { answer, sentBytes } = await flood([...(await lines()), `Content-Length: ${announced}`], prefix);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4))).toMatchObject({
      error: { retryable: false },
    });
    // Buffers of the system are included.
    expect(sentBytes).toBeLessThan(150 * 1024 ** 2);
  });
});

it("fetch receives the answer while it sends", async () => {
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (sent > 1000) controller.close();
      sent++;
      controller.enqueue(noise);
    },
  });
  const options = { method: "POST", body, duplex: "half" } as RequestInit;
  const response = await fetch(`${server.http}/v1/uploads`, options);
  expect(response.status).toBe(415);
  expect(await response.json()).toMatchObject({ error: { code: "media_unsupported" } });
});

it("a body that is complete leaves the connection open", async () => {
  const outgoing = request(`${server.http}/v1/uploads`, { method: "POST" });
  outgoing.end("hello");
  const [response] = await once(outgoing, "response");
  expect(response.statusCode).toBe(415);
  expect(response.headers.connection).not.toBe("close");
  response.resume();
});
