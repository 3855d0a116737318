/** Malformed HTTP requests and upgrades, as raw bytes. */
import { connect } from "node:net";

const METHODS = [
  "GET",
  "POST",
  "DELETE",
  "OPTIONS",
  "HEAD",
  "PUT",
  "TRACE",
  "CONNECT",
  "PRI",
  "get",
  "G\0T",
  "",
];
const TARGETS = [
  ..."/ // /// /v1 //v1 /v1/ * ? # \\ \\\\v1 . .. % http: http:// http://[ http://:99999/ ws://x/v1 //[".split(
    " ",
  ),
  ..."/% /%zz /%00 /%ff /v1/uploads/%ff /v1/uploads/%E0%A4%A /v1/uploads/../../etc /v1/uploads/. /healthz/..".split(
    " ",
  ),
  ..."/v1/uploads?filename=%00 /v1/uploads?filename=..%2Fx /v1/uploads?a=b /v1?% /v1?=& /v1#x /metrics".split(
    " ",
  ),
  ..."/v1/uploads /healthz http://a@b:c/v1 http://localhost//v1 /v1/uploads/__proto__ /constructor".split(
    " ",
  ),
  "",
  " ",
  "/\xff\xfe",
  "/\0",
  `/${"a".repeat(20_000)}`,
  `/${"../".repeat(500)}`,
  `/v1/uploads/${"a".repeat(5000)}`,
  `/v1/uploads?filename=${"a".repeat(300)}`,
];
const VERSIONS = [
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/0.9",
  "HTTP/2.0",
  "HTTP/9.9",
  "HTTP/",
  "",
];
const UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const HEADERS = [
  ["Host: localhost"],
  ["Host: localhost", ...UPGRADE, KEY],
  ["Host: localhost", ...UPGRADE],
  ["Host: localhost", ...UPGRADE, "Sec-WebSocket-Key: short"],
  ["Host: localhost", ...UPGRADE, KEY, "Sec-WebSocket-Protocol: ,,,"],
  [
    "Host: localhost",
    ...UPGRADE,
    KEY,
    "Sec-WebSocket-Protocol: masklet.v1",
    "Sec-WebSocket-Extensions: ;;=\"'",
  ],
  ["Host: localhost", ...UPGRADE, KEY, "Origin: \xff\xfe"],
  ["Host: localhost", "Connection: Upgrade", "Upgrade: websocket", KEY, "Sec-WebSocket-Version: 99"],
  ["Host: localhost", "Connection: Upgrade", "Upgrade: "],
  ["Host: localhost", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
  ["Host: localhost", "Connection: upgrade", "Upgrade: websocket, h2c", "Upgrade: h2c"],
  ["Host: ", ...UPGRADE, KEY],
  ["Host: [::", ...UPGRADE, KEY],
  ["Host: a b"],
  ["Host: a@b:c:d"],
  ["Host: \xff"],
  ["Host: localhost", "Host: y"],
  ["Host: x"],
  [],
  ["Host: localhost", "Origin: http://["],
  ["Host: localhost", "Origin: null"],
  ["Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"],
  ["Host: localhost", "Content-Length: -1"],
  ["Host: localhost", "Content-Length: 999999999999999999999999"],
  ["Host: localhost", "Content-Length: 5", "Transfer-Encoding: chunked"],
  ["Host: localhost", "Content-Length: 9007199254740991"],
  ["Host: localhost", "Transfer-Encoding: chunked"],
  ["Host: localhost", "Transfer-Encoding: gzip, chunked, identity"],
  ["Host: localhost", "Expect: 100-continue", "Content-Length: 3"],
  ["Host: localhost", "Expect: a miracle"],
  ["Host: localhost", ": no name"],
  ["Host: localhost", "no colon"],
  ["Host: localhost", "__proto__: y", "constructor: z"],
  ["Host: localhost", " folded: a", "\tb"],
  ["Host: localhost", "X: a\0b"],
  ["Host: localhost", `X: ${"a".repeat(20_000)}`],
  ["Host: localhost", ...Array.from({ length: 3000 }, (_, index) => `h${index}: v`)],
];
const BODIES = [
  "",
  "abc",
  "0\r\n\r\n",
  "zz\r\n",
  "ffffffffffffffffff\r\n",
  "\x81\x85\0\0\0\0hello",
  "\xf1\x80\0\0\0\0",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET // HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "\0".repeat(100_000),
];
const RAW = [
  "\r\n\r\n",
  "\0\0\0\0",
  "\x16\x03\x01\x02\0\x01\0",
  "GET",
  "GET /",
  "GET / HTTP/1.1\r\nHost",
  "\n\n",
];

/** The first request is one that once ended the process. The same seed produces the same requests. */
export function hostileRequests(count: number, seed = 1): Buffer[] {
  const random = mulberry32(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const requests = [["GET // HTTP/1.1", "Host: localhost", ...UPGRADE, KEY, "", ""].join("\r\n"), ...RAW];
  while (requests.length < count) {
    // Half of the request lines pass the HTTP parser and reach the routes and the upgrade listener.
    const line =
      random() < 0.5
        ? `${pick(["GET", "GET", "POST", "DELETE"])} ${pick(TARGETS)} HTTP/1.1`
        : `${pick(METHODS)} ${pick(TARGETS)} ${pick(VERSIONS)}`;
    const text = [line, ...pick(HEADERS), "", pick(BODIES)].join(random() < 0.95 ? "\r\n" : "\n");
    requests.push(random() < 0.9 ? text : text.slice(0, Math.floor(random() * text.length)));
  }
  return requests.slice(0, count).map((text) => Buffer.from(text, "latin1"));
}

/**
 * Sends the bytes on a new connection. Resolves with the first bytes of the answer, or "" when the server closes it
 * without one. `halfClose` ends the sending side after the bytes: Node then drops requests that are still being handled.
 */
export function sendRaw(port: number, bytes: Buffer, { halfClose = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let answer = "";
    socket.once("data", (data) => {
      answer = data.toString("latin1");
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
    if (halfClose) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** Sends every request, each on a new connection, at most `concurrency` at a time. */
export async function sendAll(
  port: number,
  requests: readonly Buffer[],
  concurrency = 16,
): Promise<string[]> {
  const answers: string[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < requests.length; index = next++) {
      answers[index] = await sendRaw(port, requests[index] as Buffer, { halfClose: true });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return answers;
}

/** Pseudo-random numbers from 0 to 1. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
