/** Fuzzed messages and HTTP, killed clients and inference processes, slow peers, and one long session. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { clip, picture, squareBox } from "../../clients/conformance/media.js";
import { movie } from "../../clients/conformance/movie.js";
import { hostileRequests } from "../helpers/hostile-http.js";
import { fuzzedMessage } from "./messages.js";
import { inferenceOf, residentBytes } from "./meter.js";
import { LOST_OWNERS, type SoakServer } from "./server.js";
import { pause, type Task } from "./task.js";
import { http, type ReusableUpload, reusableUpload, SoakWire } from "./wire.js";

/** As many sessions as an owner may have: the requests of one session wait for each other. */
const CONNECTIONS = 8;
const BATCH = 100;
const BATCHES_PER_SESSION = 20;
/** A client that is to be killed in its stream waits this long for a frame. */
const FRAME_MS = 300_000;
/** A batch of which no message is answered for this long fails: after a kill, its session is rebuilt first. */
const SILENCE_MS = 600_000;

/** Every message gets one answer: a batch is sent, then as many answers must arrive. */
export const messagesTask: Task = async ({ server, options, random, tally, progress }) => {
  const key = server.key("fuzz");
  const upload = reusableUpload(server, key, await clip(3));
  let left = options.messages;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, connection) => {
      let wire: SoakWire | undefined;
      let session = "";
      const name = `fuzz-${connection}`;
      for (let batch = 0; left > 0; batch++) {
        const size = Math.min(BATCH, left);
        left -= size;
        if (!wire || wire.closeCode !== undefined) wire = await SoakWire.open({ socket: server.socket, key });
        if (batch % BATCHES_PER_SESSION === 0) {
          if (session) await wire.ask({ type: "close_session", session_id: session });
          session = `${name}-${batch}`;
          tally.count(`start_session: ${await startFuzzed(wire, session, upload)}`);
        }
        const codes: Record<string, number> = {};
        wire.onMessage = ({ type, error }) => {
          if (type === "error") codes[error.code] = (codes[error.code] ?? 0) + 1;
        };
        const before = wire.answers;
        for (let index = 0; index < size; index++)
          wire.socket.send(fuzzedMessage(random, `${name}-${batch}-${index}`, session).data);
        const start = performance.now();
        let last = { answers: before, atMs: start };
        while (wire.answers - before < size && wire.closeCode === undefined) {
          await pause(5);
          if (wire.answers !== last.answers) last = { answers: wire.answers, atMs: performance.now() };
          else if (performance.now() - last.atMs > SILENCE_MS) break;
        }
        tally.time("batch", performance.now() - start);
        progress.step(name);
        if (left > 0 && left % (1000 * BATCH) === 0) console.log(`  messages: ${left} left`);
        tally.count("sent", size);
        tally.count("answered", wire.answers - before);
        for (const [code, count] of Object.entries(codes)) {
          if (code === "internal") tally.fault(`${count} messages of ${name}, batch ${batch} got internal`);
          if (code === "engine_failed") tally.count("engine_failed", count);
        }
        if (wire.closeCode !== undefined)
          tally.fault(`the socket of ${name} closed with ${wire.closeCode} in batch ${batch}`);
        else if (wire.answers - before !== size)
          tally.fault(`${size} messages of ${name}, batch ${batch} got ${wire.answers - before} answers`);
      }
      progress.leave(name);
      if (wire && session) await wire.ask({ type: "close_session", session_id: session });
      await wire?.close();
    }),
  );
  await upload.remove();
};

/** @returns "started", or the code of the error */
async function startFuzzed(wire: SoakWire, session_id: string, upload: ReusableUpload): Promise<string> {
  for (let isFirst = true; ; isFirst = false) {
    const upload_id = await upload.id();
    const { error } = await wire.ask({ type: "start_session", session_id, upload_id });
    if (!error) return "started";
    if (error.code !== "upload_not_found" || !isFirst) return error.code;
    upload.expired(upload_id);
  }
}

/** Sends bytes and returns what the server answers until it closes the connection, or within two seconds. */
function exchange(port: number, bytes: Buffer, halfClose: boolean): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    // A request that is never complete: the server would wait for the rest.
    const timer = setTimeout(() => socket.destroy(), 2000);
    socket.on("error", () => {});
    socket.on("data", (part) => {
      answer += part.toString("latin1");
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(answer);
    });
    if (halfClose) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** Malformed, pipelined and smuggled requests. Every connection ends, and the server keeps answering. */
export const httpTask: Task = async ({ server, options, tally }) => {
  const requests = hostileRequests(Math.max(200, Math.round(options.messages / 50)), options.seed);
  const smuggled = [
    "POST /v1/handle_request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200),
    "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nabc",
  ].map((text) => Buffer.from(text, "latin1"));
  let next = 0;
  const all = [...requests, ...smuggled];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let index = next++; index < all.length; index = next++) {
        const answer = await exchange(server.port, all[index] as Buffer, index % 3 === 0);
        tally.count(answer === "" ? "without an answer" : "answered");
        if (/^HTTP\/1.1 500/.test(answer)) tally.fault(`request ${index} got 500`);
        if (/masklet_requests_total/.test(answer))
          tally.fault(`request ${index} read the metrics without a key`);
      }
    }),
  );
};

/**
 * Clients that end in the middle of a stream: every tenth is a process that gets SIGKILL, the others destroy their sockets.
 * Only those that received a frame count.
 */
export const killedClientsTask: Task = async ({ server, options, random, tally }) => {
  const bytes = await clip(10);
  let left = options.clients;
  await Promise.all(
    LOST_OWNERS.map(async (owner) => {
      const key = server.key(owner);
      const upload = reusableUpload(server, key, bytes);
      while (left > 0) {
        left -= 1;
        const isProcess = random.chance(0.1);
        const upload_id = await upload.id();
        const code = isProcess
          ? await killProcess(server, key, upload_id)
          : await killSocket(server, key, upload_id).catch((error: Error) => error.message);
        if (code === undefined) {
          tally.count(isProcess ? "processes killed" : "sockets destroyed");
          if (left % 100 === 0) console.log(`  killed clients: ${left} left`);
          continue;
        }
        // Its place is that of a session that is not idle yet, or its inference process was killed.
        left += 1;
        tally.count(`tried again: ${code}`);
        if (code === "upload_not_found") upload.expired(upload_id);
        await pause(500);
      }
      await upload.remove();
    }),
  );
};

/** @returns undefined when the client was killed after it received a frame, or why not */
async function killProcess(server: SoakServer, key: string, uploadId: string): Promise<string | undefined> {
  const script = fileURLToPath(new URL("./lost-client.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, server.socket, uploadId], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, MASKLET_KEY: key },
  });
  const ended = new Promise<string>((resolve) => child.on("close", () => resolve("closed")));
  const first = await Promise.race([
    firstLine(child.stdout),
    ended,
    pause(FRAME_MS).then(() => "no frame in time"),
  ]);
  child.kill("SIGKILL");
  await ended;
  return first === "frame" ? undefined : first;
}

async function firstLine(input: Readable): Promise<string> {
  const [line] = (await once(createInterface({ input }), "line")) as [string];
  return line;
}

/** @returns undefined when the socket was destroyed after it received a frame, or why not. @throws Error without an answer */
async function killSocket(server: SoakServer, key: string, upload_id: string): Promise<string | undefined> {
  const wire = await SoakWire.open({ socket: server.socket, key });
  try {
    const { session_id, error } = await wire.ask({ type: "start_session", upload_id });
    if (error) return error.code;
    const prompt = { frame_index: 0, obj_id: 0, bounding_boxes: [squareBox(0)] };
    await wire.ask({ type: "add_prompt", session_id, ...prompt });
    const streaming = new Promise<string | undefined>((resolve) => {
      wire.onMessage = ({ type, error }) => {
        if (type === "frame") resolve(undefined);
        if (type === "error") resolve(error.code);
      };
    });
    wire.ask({ type: "propagate_in_video", session_id }).catch(() => {});
    return await Promise.race([streaming, pause(FRAME_MS).then(() => "no frame in time")]);
  } finally {
    wire.socket.terminate();
  }
}

/** After a kill every session must be rebuilt and continue within this time. */
const RECOVERY_MS = 600_000;

/**
 * The inference process ends by SIGKILL, or hangs by SIGSTOP. Before the next one is killed, the server must be ready again, and
 * the sessions of all owners and of the other tasks must make progress.
 */
export const killsTask: Task = async ({ server, options, tally, random, progress }) => {
  for (let kill = 0; kill < options.kills; kill++) {
    await pause(500 + random.below(1500));
    const pid = inferenceOf(server.pid);
    if (pid === undefined) {
      tally.fault("there is no inference process");
      return;
    }
    const isStop = kill % 5 === 4;
    const start = performance.now();
    process.kill(pid, isStop ? "SIGSTOP" : "SIGKILL");
    tally.count(isStop ? "stopped" : "killed");
    for (;;) {
      await pause(100);
      const now = inferenceOf(server.pid);
      const isReady = now !== undefined && now !== pid;
      if (
        isReady &&
        (await http({ http: server.http }, "/readyz").catch(() => ({ status: 0 }))).status === 200
      )
        break;
      if (performance.now() - start > 120_000) {
        tally.fault(
          `the server is not ready 120 s after the inference process was ${isStop ? "stopped" : "killed"}`,
        );
        return;
      }
    }
    tally.time(isStop ? "ready after SIGSTOP" : "ready after SIGKILL", performance.now() - start);
    const waiting = progress.startWaiting();
    let late = waiting();
    while (late.length > 0 && performance.now() - start < RECOVERY_MS) {
      await pause(100);
      late = waiting();
    }
    if (late.length > 0)
      tally.fault(`no progress of ${late.join(", ")} within ${RECOVERY_MS / 1000} s after a kill`);
    tally.time("every session continued after", performance.now() - start);
    if (kill % 10 === 9) console.log(`  kills: ${kill + 1}`);
  }
};

const UPGRADE = [
  "GET /v1 HTTP/1.1",
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** Peers that send a byte now and then, or never read. They stay until the other tasks are done. */
export const slowTask: Task = async ({ server, tally, isDone }) => {
  const authorization = `Authorization: Bearer ${server.key("slow")}`;
  const slow = [
    {
      name: "upload",
      start: [
        "POST /v1/uploads HTTP/1.1",
        "Host: localhost",
        authorization,
        "Content-Length: 100000",
        "",
        "",
      ],
    },
    { name: "headers", start: ["GET /readyz HTTP/1.1", "Host: localhost", ""] },
    { name: "handshake", start: UPGRADE },
    { name: "frame", start: [...UPGRADE, authorization, "", ""] },
    {
      name: "upload",
      start: [
        "POST /v1/uploads HTTP/1.1",
        "Host: localhost",
        authorization,
        "Transfer-Encoding: chunked",
        "",
        "5\r\n",
      ],
    },
  ].map(({ name, start }) => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => tally.count(`${name} closed`));
    // It never reads: no listener for data.
    socket.write(start.join("\r\n"));
    return socket;
  });
  const readers = await Promise.all(
    Array.from({ length: 2 }, async () => {
      const wire = await SoakWire.open({ socket: server.socket, key: server.key("slow") });
      wire.socket.pause();
      for (let index = 0; index < 2000; index++)
        wire.socket.send('{"type":"get_server","request_id":"slow"}');
      return wire;
    }),
  );
  while (!isDone()) {
    for (const socket of slow) if (socket.writable) socket.write("x");
    await pause(2000);
  }
  for (const socket of slow) socket.destroy();
  for (const { socket } of readers) socket.terminate();
  tally.count("peers", slow.length + readers.length);
};

/** A session of many frames: the inference process must not grow with their number. */
export const longTask: Task = async ({ server, options, tally, progress }) => {
  if (options.frames === 0) return;
  const key = server.key("long");
  const distinct = await Promise.all(Array.from({ length: 20 }, (_, index) => picture(index % 10, "jpeg")));
  const samples = Array.from({ length: options.frames }, (_, index) => distinct[index % 20] as Buffer);
  const upload = reusableUpload(server, key, movie({ samples, width: 96, height: 64, durationMs: 40 }));
  const wire = await SoakWire.open({ socket: server.socket, key });
  try {
    const { session_id, error } = await wire.ask({ type: "start_session", upload_id: await upload.id() });
    if (error) throw new Error(`the long session got ${error.code}: ${error.message}`);
    const prompt = { frame_index: 0, obj_id: 0, bounding_boxes: [squareBox(0)] };
    await wire.ask({ type: "add_prompt", session_id, ...prompt });
    let frames = 0;
    let lastMs = performance.now();
    const memory: number[] = [];
    const step = Math.max(1, Math.round(options.frames / 10));
    wire.onMessage = ({ type }) => {
      if (type !== "frame") return;
      progress.step("long");
      lastMs = performance.now();
      frames += 1;
      if (frames % step !== 0) return;
      memory.push(residentBytes(inferenceOf(server.pid)));
      console.log(`  long session: ${frames} frames`);
    };
    const stream = { propagation_direction: "forward", start_frame_index: 0 };
    const done = wire.ask({ type: "propagate_in_video", session_id, ...stream }, options.frames * 10_000);
    while (!(await Promise.race([done, pause(1000)]))) {
      if (performance.now() - lastMs > RECOVERY_MS)
        throw new Error(`the long session got no frame within ${RECOVERY_MS / 1000} s after ${frames}`);
    }
    const end = await done;
    tally.count("frames", frames);
    if (end.error) tally.fault(`the long session ended with ${end.error.code}: ${end.error.message}`);
    else if (end.num_frames !== options.frames)
      tally.fault(`the long session had ${end.num_frames} of ${options.frames} frames`);
    tally.count("MiB of the inference process after a tenth", Math.round((memory[0] ?? 0) / 1024 ** 2));
    tally.count("MiB at the end", Math.round((memory.at(-1) ?? 0) / 1024 ** 2));
    await wire.ask({ type: "close_session", session_id });
  } finally {
    progress.leave("long");
    await wire.close();
    await upload.remove();
  }
};
