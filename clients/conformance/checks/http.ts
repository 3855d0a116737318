/** H: HTTP. */
import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { type Check, check } from "../check.js";
import type { Lab } from "../lab.js";
import type { Fields, Message } from "../probe.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";
import {
  FRAMES,
  markedSession,
  markFrames,
  maskPrompt,
  pause,
  pictureSession,
  videoSession,
} from "./common.js";

const handle = (lab: Lab, fields: Fields) =>
  lab.http("/v1/handle_request", { method: "POST", body: JSON.stringify(fields) });
const streamed = (lab: Lab, fields: Fields, headers: Record<string, string> = {}) =>
  lab.http("/v1/handle_stream_request", { method: "POST", body: JSON.stringify(fields), headers });
const lines = (bytes: Buffer): Message[] =>
  bytes
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Message);

/** The status of a GET with headers that `fetch` does not send. */
function statusWith(lab: Lab, path: string, headers: Record<string, string>): Promise<number> {
  const { key, http } = lab.options;
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return new Promise((resolve, reject) => {
    const sent = request(`${http}${path}`, { headers: { ...authorization, ...headers } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on("error", reject);
    sent.end();
  });
}

const isLoopback = (http: string) => /^https?:\/\/(127\.|localhost|\[::1\])/.test(http);

/** Whether the port of the server is open on another address of this machine. */
async function listensElsewhere(http: string): Promise<boolean> {
  const port = Number(new URL(http).port) || 80;
  const others = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.filter(({ internal }) => !internal),
  );
  const open = others.map(
    ({ address }) =>
      new Promise<boolean>((resolve) => {
        const socket = connect({ port, host: address, timeout: 1000 });
        const end = (isOpen: boolean) => {
          socket.destroy();
          resolve(isOpen);
        };
        socket.once("connect", () => end(true));
        socket.once("timeout", () => end(false));
        socket.once("error", () => end(false));
      }),
  );
  return (await Promise.all(open)).includes(true);
}

export const httpChecks: Check[] = [
  check("errors of HTTP", "H-1 H-2", async (lab, verify) => {
    await verify("H-1", async () => {
      for (const [path, init] of [
        ["/v1/uploads/none", {}],
        ["/nowhere", {}],
        ["/v1/handle_request", { method: "POST", body: "{" }],
      ] as const) {
        const { status, body } = await lab.http(path, init);
        expectThat(status >= 400, `${path} got ${status}`);
        expectThat(
          typeof body.error?.code === "string" && typeof body.error.message === "string",
          `${path} has no error`,
        );
        expectThat(typeof body.error.retryable === "boolean", `the error of ${path} has no retryable`);
      }
    });
    await verify("H-2", async () => {
      const missing = await lab.http("/nowhere");
      expectSame([missing.status, missing.body.error?.code], [404, "not_found"], "an unknown path");
      const method = await lab.http("/v1/uploads", { method: "PUT" });
      expectSame([method.status, method.body.error?.code], [405, "method_not_allowed"], "PUT");
      expectThat(
        /POST/.test(method.headers.get("allow") ?? ""),
        `the header Allow: ${method.headers.get("allow")}`,
      );
    });
  }),

  check("requests over HTTP", "H-3 H-4 H-5 H-7 H-8 H-9", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await markFrames(session, [0]);
    const about = { session_id: session.id };
    await verify("H-3", async () => {
      const { status, body } = await handle(lab, { type: "get_session", ...about, request_id: "seven" });
      expectSame(
        [status, body.request_id, body.session_id, body.num_frames],
        [200, "seven", session.id, FRAMES],
        "the answer",
      );
      const wrong = await handle(lab, { type: "get_session", session_id: "none" });
      expectSame([wrong.status, wrong.body.error?.code], [404, "session_not_found"], "an unknown session");
      expectSame((await handle(lab, { type: "get_session" })).status, 400, "a missing field");
    });
    await verify("H-5", async () => {
      const { body } = await handle(lab, { ...maskPrompt(1, 0), ...about });
      expectSame(body.obj_id, 0, "obj_id of a prompt on a session of a WebSocket");
    });
    const forward = {
      type: "propagate_in_video",
      ...about,
      propagation_direction: "forward",
      start_frame_index: 0,
    };
    await verify("H-4", async () => {
      const plain = await streamed(lab, forward);
      expectThat(
        /application\/x-ndjson/.test(plain.headers.get("content-type") ?? ""),
        `the type ${plain.headers.get("content-type")}`,
      );
      const types = lines(plain.bytes).map(({ type }) => type);
      expectSame(types, [...Array.from({ length: FRAMES }, () => "frame"), "done"], "the messages");
      const events = await streamed(lab, { ...forward, scope: "stored" }, { accept: "text/event-stream" });
      expectThat(
        /text\/event-stream/.test(events.headers.get("content-type") ?? ""),
        `the type ${events.headers.get("content-type")}`,
      );
      expectSame(
        [...events.bytes.toString().matchAll(/^event: (\w+)/gm)].at(-1)?.[1],
        "done",
        "the last event",
      );
    });
    await verify("H-8", async () => {
      const { bytes } = await streamed(lab, { ...forward, scope: "stored" });
      expectSame(
        lines(bytes).filter(({ type }) => type === "event"),
        [],
        "events",
      );
    });
    await verify("H-9", async () => {
      const { status, body } = await streamed(lab, { type: "propagate_in_video", session_id: "none" });
      expectSame([status, body.error?.code], [404, "session_not_found"], "an error before the first frame");
    });
    await verify("H-7", async () => {
      for (const type of ["attach_session", "detach_session", "push_frame"]) {
        const fields = type === "attach_session" ? { session_token: session.token } : about;
        const { status } = await handle(lab, { type, ...fields });
        expectThat(status >= 400 && status < 500, `${type} got ${status}`);
      }
    });
  }),

  check("a reader that leaves", "H-6", async (lab, verify) => {
    await verify("H-6", async () => {
      const session = await markedSession(lab);
      const { key, http } = lab.options;
      const controller = new AbortController();
      const answer = await fetch(`${http}/v1/handle_stream_request`, {
        method: "POST",
        signal: controller.signal,
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        body: JSON.stringify({ type: "propagate_in_video", session_id: session.id }),
      });
      await answer.body?.getReader().read();
      controller.abort();
      for (let tries = 0; (await session.ok({ type: "get_session" })).propagating; tries++) {
        expectThat(tries < 100, "the session still propagates 10 s after the reader left");
        await pause(100);
      }
    });
  }),

  check("origins", "H-10 H-11 H-12", async (lab, verify) => {
    const { http } = lab.options;
    await verify("H-10", async () =>
      expectSame(await statusWith(lab, "/readyz", {}), 200, "a request without an Origin"),
    );
    await verify("H-12", async () => {
      const { hostname, origin } = new URL(http);
      if (!/^[\d.]+$|^\[|^localhost$/.test(hostname)) throw new NotTried("the server is reached by a name");
      expectSame(await statusWith(lab, "/readyz", { origin }), 200, "the origin of the server itself");
      const foreign = await statusWith(lab, "/readyz", { origin: "https://conformance.invalid" });
      if (foreign === 200) throw new NotTried("the configuration of this server admits pages of any origin");
      expectSame(foreign, 403, "another origin");
    });
    await verify("H-11", async () => {
      if (!isLoopback(http)) throw new NotTried("the server is not reached by a loopback address");
      if (await listensElsewhere(http)) throw new NotTried("the server also listens on other addresses");
      for (const origin of ["http://localhost:3000", "http://127.0.0.1:1", "http://[::1]:8080"])
        expectSame(await statusWith(lab, "/readyz", { origin }), 200, `the origin ${origin}`);
    });
  }),

  check("health and metrics", "H-13 H-15 H-16 H-17", async (lab, verify) => {
    await verify("H-13", async () => expectSame((await lab.http("/livez")).status, 200, "/livez"));
    await verify("H-15", async () => {
      for (const path of ["/readyz", "/healthz"]) {
        const { status, body } = await lab.http(path);
        expectSame(status, body.state === "ready" ? 200 : 503, `${path} while ${body.state}`);
      }
    });
    await verify("H-16", async () => {
      const { body } = await lab.http("/readyz");
      expectThat(typeof body.status === "string" && typeof body.sessions === "number", "status and sessions");
      expectThat(
        ["starting", "ready", "stalled", "restarting", "failed", "draining"].includes(body.state),
        `state ${body.state}`,
      );
      if (body.state === "ready")
        expectThat(body.pack && body.provider, "pack and provider of a server that is ready");
    });
    await verify("H-17", async () => {
      await pictureSession(lab);
      const { bytes } = await lab.http("/metrics");
      const samples = bytes
        .toString()
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"));
      const wrong = samples.filter(
        (line) => !/^[a-zA-Z_:][\w:]*(\{.*\})? (-?[\d.e+-]+|NaN|\+Inf)$/.test(line),
      );
      expectSame(wrong, [], "lines that are not Prometheus text");
      expectThat(samples.length > 5, "there are no metrics");
    });
  }),

  check("hosts", "H-18 H-19", async (lab, verify) => {
    await verify("H-18", async () => {
      const status = await statusWith(lab, "/livez", { host: "conformance.invalid" });
      if (status === 200) throw new NotTried("the configuration of this server admits every host");
      expectSame(status, 421, "the status of a request to another host");
      expectSame(await statusWith(lab, "/livez", { host: "127.0.0.1:1" }), 200, "an IP address");
      expectSame(await statusWith(lab, "/livez", { host: "a.localhost" }), 200, "a name below localhost");
    });
    await verify("H-19", async () => {
      const { hostname, port, protocol } = new URL(lab.options.http);
      if (protocol !== "http:") throw new NotTried("the server is reached by TLS");
      const answer = await new Promise<string>((resolve, reject) => {
        const socket = connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ""));
        let text = "";
        socket.on("data", (part) => {
          text += part;
        });
        socket.on("close", () => resolve(text));
        socket.on("error", reject);
        socket.setTimeout(10_000, () => socket.destroy());
        socket.write("GET /livez HTTP/1.0\r\n\r\n");
      });
      expectThat(/^HTTP\/1\.\d 200/.test(answer), `the answer to HTTP/1.0: ${answer.split("\r\n")[0]}`);
    });
  }),
];
