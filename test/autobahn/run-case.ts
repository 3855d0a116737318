/** Runs one case on a connection of its own. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Case, close, type Event, type Step } from "./case.js";
import { createFrameReader, encodeFrame, OPCODES, type ReceivedFrame } from "./frames.js";

export type Verdict = "OK" | "NON-STRICT" | "FAILED";

export interface CaseResult {
  id: string;
  what: string;
  verdict: Verdict;
  /** The events of the server, or the fault. */
  behaviour: string;
}

export interface Target {
  /** Such as `ws://127.0.0.1:8765/v1`. */
  url: string;
  /** Headers such as `Authorization`. */
  headers?: Record<string, string>;
}

export async function runCase(target: Target, one: Case): Promise<CaseResult> {
  const { id, what } = one;
  try {
    const { events, closedAtStep } = await play(target, one);
    return { id, what, verdict: verdictOf(one, events, closedAtStep), behaviour: summary(events) };
  } catch (error) {
    return { id, what, verdict: "FAILED", behaviour: (error as Error).message };
  }
}

function verdictOf(
  { expected, nonStrict = [], failsBefore }: Case,
  events: Event[],
  closedAtStep: number,
): Verdict {
  const all = endOf(expected) ? expected : [...expected, "close 1000"];
  const matches = (list: Event[]) =>
    list.length === events.length && list.every((one, at) => one === events[at]);
  if (matches(all)) return failsBefore === undefined || closedAtStep <= failsBefore ? "OK" : "NON-STRICT";
  return nonStrict.some(matches) ? "NON-STRICT" : "FAILED";
}

const endOf = (events: Event[]) => events.find((event) => event.startsWith("close") || event === "drop");

/** Repeated events are counted. */
function summary(events: Event[]): string {
  const parts: { event: Event; count: number }[] = [];
  for (const event of events) {
    const last = parts.at(-1);
    if (last?.event === event) last.count += 1;
    else parts.push({ event: event.length > 40 ? `${event.slice(0, 40)}…` : event, count: 1 });
  }
  return parts.map(({ event, count }) => (count > 1 ? `${count} × ${event}` : event)).join(", ");
}

async function play(target: Target, one: Case) {
  const { socket, rest } = await handshake(target, one.extensions);
  const events: Event[] = [];
  let wake = () => {};
  let hasEnded = false;
  const read = createFrameReader();
  const receive = (bytes: Buffer) => {
    for (const frame of read(bytes)) {
      events.push(eventOf(frame));
      // The server waits for this before it closes the connection.
      if (frame.opcode === OPCODES.close)
        socket.write(encodeFrame({ opcode: OPCODES.close, payload: frame.payload }));
    }
    wake();
  };
  socket.on("data", receive);
  socket.on("close", () => {
    hasEnded = true;
    if (!endOf(events)) events.push("drop");
    wake();
  });
  receive(rest);

  const deadline = Date.now() + (one.timeoutMs ?? 15_000);
  /** @throws Error when nothing has matched before the deadline. */
  async function until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no further event: ${summary(events) || "none"}`);
      const timer = new AbortController();
      await Promise.race([
        new Promise<void>((resolve) => {
          wake = resolve;
        }),
        delay(left, undefined, { signal: timer.signal }).catch(() => {}),
      ]);
      timer.abort();
    }
  }

  let closedAtStep = Number.POSITIVE_INFINITY;
  try {
    for (const [index, step] of one.steps.entries()) {
      if (endOf(events)) closedAtStep = Math.min(closedAtStep, index);
      if (!("pauseMs" in step)) await write(socket, encodeStep(step), one.chop);
      else {
        const end = Date.now() + step.pauseMs;
        while (Date.now() < end && !endOf(events)) await delay(10);
      }
    }
    const closesItself = one.steps.some((step) => "opcode" in step && step.opcode === OPCODES.close);
    if (!endOf(one.expected) && !closesItself) {
      await until(() => events.length >= one.expected.length || hasEnded);
      await write(socket, encodeFrame(close(1000)));
    }
    // The server closes the connection after the close frames.
    await until(() => hasEnded);
    return { events, closedAtStep };
  } finally {
    socket.destroy();
  }
}

function eventOf({ opcode, payload, rsv, fin }: ReceivedFrame): Event {
  if (rsv !== 0 || !fin) throw new Error("the server sent reserved bits or a fragment");
  if (opcode === OPCODES.pong) return `pong ${payload.toString("hex")}`.trim();
  if (opcode === OPCODES.close) return payload.length < 2 ? "close" : `close ${payload.readUInt16BE(0)}`;
  if (opcode !== OPCODES.text) return `opcode ${opcode}`;
  const { type, error } = JSON.parse(payload.toString()) as { type: string; error?: { code: string } };
  return error ? `answer ${error.code}` : `message ${type}`;
}

export const encodeStep = (step: Step): Buffer => {
  if ("bytes" in step) return Buffer.from(step.bytes);
  return "opcode" in step ? encodeFrame(step) : Buffer.alloc(0);
};

/** The writes of a socket that has closed have no effect. */
async function write(socket: Socket, bytes: Buffer, chop?: "frames" | number): Promise<void> {
  const size = typeof chop === "number" ? chop : Math.max(1, bytes.length);
  for (let at = 0; at < bytes.length && socket.writable; at += size) {
    const isRoomLeft = socket.write(bytes.subarray(at, at + size));
    if (!isRoomLeft && socket.writable) await drained(socket);
    // Each part travels in a packet of its own.
    else if (chop !== undefined) await new Promise(setImmediate);
  }
}

const drained = (socket: Socket) =>
  new Promise<void>((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });

async function handshake({ url, headers = {} }: Target, extensions?: string) {
  const { hostname, port, pathname, host } = new URL(url);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80), noDelay: true });
  // A reset connection is an event of the case, not a fault of the script.
  socket.on("error", () => {});
  const lines = [
    `GET ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    ...(extensions ? [`Sec-WebSocket-Extensions: ${extensions}`] : []),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  let received = Buffer.alloc(0);
  while (!received.includes("\r\n\r\n")) {
    const part = await new Promise<Buffer>((resolve, reject) => {
      socket.once("data", resolve);
      socket.once("close", () => reject(new Error("the server closed the socket during the handshake")));
    });
    received = Buffer.concat([received, part]);
  }
  const end = received.indexOf("\r\n\r\n");
  const head = received.subarray(0, end).toString();
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`the handshake failed: ${head.split("\r\n")[0]}`);
  if (/^sec-websocket-extensions:/im.test(head)) throw new Error("the server accepted an extension");
  socket.removeAllListeners("data");
  return { socket, rest: received.subarray(end + 4) };
}
