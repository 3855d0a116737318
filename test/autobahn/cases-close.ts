/** 7 close handling, 9 limits and many messages, 12 and 13 compression. */
import { BINARY, binary, type Case, close, fragments, partsOf, ping, TEXT, text } from "./case.js";

const VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const INVALID_CODES = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

export const closeCases: Case[] = [
  { id: "7.1.1", what: "a text, then a close", steps: [text("Hello")], expected: [TEXT] },
  {
    id: "7.1.2",
    what: "two closes",
    steps: [close(1000), close(1000)],
    expected: ["close 1000"],
  },
  {
    id: "7.1.3",
    what: "a ping after a close",
    steps: [close(1000), ping()],
    expected: ["close 1000"],
  },
  {
    id: "7.1.4",
    what: "a text after a close",
    steps: [close(1000), text("Hello")],
    expected: ["close 1000"],
  },
  {
    id: "7.1.5",
    what: "a close between two fragments",
    steps: [text("one", { fin: false }), close(1000), { opcode: 0, payload: "two" }],
    expected: ["close 1000"],
  },
  {
    id: "7.1.6",
    what: "a text of 256 KiB, a text, a close and a ping",
    steps: [text("*".repeat(262_144)), text("Hello"), close(1000), ping()],
    expected: [TEXT, TEXT, "close 1000"],
    // Answers that are not sent when the close arrives are lost with the connection.
    nonStrict: [[TEXT, "close 1000"], ["close 1000"]],
  },
  { id: "7.3.1", what: "a close without payload", steps: [close()], expected: ["close"] },
  { id: "7.3.2", what: "a close with one byte", steps: [close(undefined, "a")], expected: ["close 1002"] },
  { id: "7.3.3", what: "a close with a code", steps: [close(1000)], expected: ["close 1000"] },
  {
    id: "7.3.4",
    what: "a close with a reason",
    steps: [close(1000, "Hello, world!")],
    expected: ["close 1000"],
  },
  {
    id: "7.3.5",
    what: "a close with the longest reason",
    steps: [close(1000, "*".repeat(123))],
    expected: ["close 1000"],
  },
  {
    id: "7.3.6",
    what: "a close with a reason that is too long",
    steps: [close(1000, "*".repeat(124))],
    expected: ["close 1002"],
  },
  {
    id: "7.5.1",
    what: "a close with a reason that is not UTF-8",
    steps: [close(1000, Buffer.from("cebae1bdb9cf83cebcceb5eda080656469746564", "hex"))],
    expected: ["close 1007"],
  },
  ...VALID_CODES.map((code, index) => ({
    id: `7.7.${index + 1}`,
    what: `a close with the valid code ${code}`,
    steps: [close(code)],
    expected: [`close ${code}`],
    nonStrict: [["close 1000"]],
  })),
  ...INVALID_CODES.map((code, index) => ({
    id: `7.9.${index + 1}`,
    what: `a close with the invalid code ${code}`,
    steps: [close(code)],
    expected: ["close 1002"],
    nonStrict: [["drop"]],
  })),
  ...[5000, 65_535].map((code, index) => ({
    id: `7.13.${index + 1}`,
    what: `a close with the code ${code}, which RFC 6455 does not define`,
    steps: [close(code)],
    expected: ["close 1002"],
    nonStrict: [[`close ${code}`], ["drop"]],
  })),
];

const KIB = 1024;
const MIB = KIB * KIB;
const named = (bytes: number) => (bytes < MIB ? `${bytes / KIB} KiB` : `${bytes / MIB} MiB`);

export interface MessageLimits {
  maxMessageBytes: number;
  maxFrameBytes: number;
}

/** Messages up to the server's limits get their answer; larger ones close the socket with 1009. */
export function limitCases({ maxMessageBytes, maxFrameBytes }: MessageLimits): Case[] {
  const textEvent = (bytes: number) => (bytes > maxMessageBytes ? "close 1009" : TEXT);
  const binaryEvent = (bytes: number) => (bytes > maxFrameBytes ? "close 1009" : BINARY);
  const forms = [
    { group: 1, word: "text", event: textEvent, opcode: 1 },
    { group: 2, word: "binary message", event: binaryEvent, opcode: 2 },
  ] as const;
  const payload = (bytes: number) => Buffer.alloc(bytes, "*");
  const timeoutMs = 30_000;
  const sizes = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
  const fragmentSizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
  const writes = [64, 128, 256, 512, KIB, 2 * KIB];
  const messages = [0, 16, 64, 256, KIB, 4 * KIB];
  return forms.flatMap(({ group, word, event, opcode }): Case[] => [
    ...sizes.map((size, index) => ({
      id: `9.${group}.${index + 1}`,
      what: `a ${word} of ${named(size)}`,
      steps: [{ opcode, payload: payload(size) }],
      expected: [event(size)],
      timeoutMs,
    })),
    ...fragmentSizes.map((size, index) => ({
      id: `9.${group + 2}.${index + 1}`,
      what: `a ${word} of 4 MiB in fragments of ${size} bytes`,
      steps: fragments(partsOf(payload(4 * MIB), size), opcode),
      expected: [event(4 * MIB)],
      timeoutMs,
    })),
    ...writes.map((size, index) => ({
      id: `9.${group + 4}.${index + 1}`,
      what: `a ${word} of 1 MiB in writes of ${size} bytes`,
      steps: [{ opcode, payload: payload(MIB) }],
      chop: size,
      expected: [event(MIB)],
      timeoutMs,
    })),
    ...messages.map((size, index) => ({
      id: `9.${group + 6}.${index + 1}`,
      what: `1000 messages (${word}) of ${size} bytes`,
      steps: Array.from({ length: 1000 }, () => ({ opcode, payload: payload(size) })),
      expected: Array.from({ length: 1000 }, () => event(size)),
      timeoutMs,
    })),
  ]);
}

const OFFERS = [
  "permessage-deflate",
  "permessage-deflate; server_no_context_takeover",
  "permessage-deflate; server_max_window_bits=8",
  "permessage-deflate; server_max_window_bits=15",
  "permessage-deflate; server_no_context_takeover; server_max_window_bits=8",
  "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
  "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=8, permessage-deflate",
];

/** The server accepts no compression, so a message that is marked as compressed is a protocol error. */
export const compressionCases: Case[] = [
  ...Array.from({ length: 5 }, (_, index) => [`12.${index + 1}.*`, OFFERS[0] as string] as const),
  ...OFFERS.map((offer, index) => [`13.${index + 1}.*`, offer] as const),
].map(([id, extensions]) => ({
  id,
  what: "compression is offered, not accepted, and used nevertheless",
  extensions,
  steps: [binary(Buffer.from([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), { rsv: 4 })],
  expected: ["close 1002"],
}));
