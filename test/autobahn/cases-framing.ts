/** 1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation. */
import {
  BINARY,
  binary,
  type Case,
  fragments,
  more,
  partsOf,
  ping,
  pong,
  ponged,
  type Step,
  TEXT,
  text,
} from "./case.js";

const PROTOCOL_ERROR = "close 1002";
const LENGTHS = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
/** The last case of each group writes its frame in parts of 997 bytes. */
const choppedAt = (index: number) => (index === 7 ? { chop: 997 } : {});

const framing: Case[] = LENGTHS.flatMap((length, index) => [
  {
    id: `1.1.${index + 1}`,
    what: `a text of ${length} bytes`,
    steps: [text("*".repeat(length))],
    expected: [TEXT],
    ...choppedAt(index),
  },
  {
    id: `1.2.${index + 1}`,
    what: `a binary message of ${length} bytes`,
    steps: [binary(Buffer.alloc(length, 0xfe))],
    expected: [BINARY],
    ...choppedAt(index),
  },
]);

const BYTES = Buffer.from([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff]);
const LONGEST = Buffer.alloc(125, 0xfe);
const tenPings = Array.from({ length: 10 }, (_, index) => `payload-${index}`);

const pings: Case[] = [
  { id: "2.1", what: "a ping without payload", steps: [ping()], expected: [ponged()] },
  {
    id: "2.2",
    what: "a ping with text",
    steps: [ping("Hello, world!")],
    expected: [ponged("Hello, world!")],
  },
  { id: "2.3", what: "a ping with bytes", steps: [ping(BYTES)], expected: [ponged(BYTES)] },
  { id: "2.4", what: "a ping with 125 bytes", steps: [ping(LONGEST)], expected: [ponged(LONGEST)] },
  {
    id: "2.5",
    what: "a ping with 126 bytes",
    steps: [ping(Buffer.alloc(126, 0xfe))],
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "2.6",
    what: "a ping with 125 bytes, byte by byte",
    steps: [ping(LONGEST)],
    chop: 1,
    expected: [ponged(LONGEST)],
  },
  { id: "2.7", what: "an unsolicited pong without payload", steps: [pong()], expected: [] },
  { id: "2.8", what: "an unsolicited pong with payload", steps: [pong("unsolicited")], expected: [] },
  {
    id: "2.9",
    what: "an unsolicited pong, then a ping",
    steps: [pong("unsolicited"), ping("ping")],
    expected: [ponged("ping")],
  },
  { id: "2.10", what: "ten pings", steps: tenPings.map((one) => ping(one)), expected: tenPings.map(ponged) },
  {
    id: "2.11",
    what: "ten pings, byte by byte",
    steps: tenPings.map((one) => ping(one)),
    chop: 1,
    expected: tenPings.map(ponged),
  },
];

/** The answer to a valid message before the fault may be lost with the connection. */
const afterAnswer = { expected: [TEXT, PROTOCOL_ERROR], nonStrict: [[PROTOCOL_ERROR]] };

const reservedBits: Case[] = [
  {
    id: "3.1",
    what: "a text with reserved bits 1",
    steps: [text("Hello", { rsv: 1 })],
    expected: [PROTOCOL_ERROR],
  },
  ...([undefined, "frames", 1] as const).map((chop, index) => ({
    id: `3.${index + 2}`,
    what: `a text, a text with reserved bits ${index + 2}, a ping; ${chop === 1 ? "byte by byte" : (chop ?? "at once")}`,
    steps: [text("Hello"), text("Hello", { rsv: index + 2 }), ping()],
    ...(chop === undefined ? {} : { chop }),
    ...afterAnswer,
  })),
  {
    id: "3.5",
    what: "a binary message with reserved bits 5",
    steps: [binary(BYTES, { rsv: 5 })],
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "3.6",
    what: "a ping with reserved bits 6",
    steps: [ping("Hello", { rsv: 6 })],
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "3.7",
    what: "a close with reserved bits 7",
    steps: [{ opcode: 8, rsv: 7 }],
    expected: [PROTOCOL_ERROR],
  },
];

const opcodes: Case[] = [3, 11].flatMap((first, group) =>
  [0, 1, 2, 3, 4].map((index): Case => {
    const opcode = first + index;
    const frame = { opcode, payload: index % 2 === 0 && index < 4 ? "" : "reserved" };
    const alone = index < 2;
    return {
      id: `4.${group + 1}.${index + 1}`,
      what: `opcode ${opcode}${alone ? "" : " after a text"}${index === 4 ? ", byte by byte" : ""}`,
      steps: alone ? [frame] : [text("Hello"), frame, ping()],
      ...(index === 4 ? { chop: 1 } : {}),
      ...(alone ? { expected: [PROTOCOL_ERROR] } : afterAnswer),
    };
  }),
);

const WRITES = [
  [undefined, "at once"],
  ["frames", "frame by frame"],
  [1, "byte by byte"],
] as const;

/** A case for each way of writing, numbered from `first`. */
const inAllWrites = (
  first: number,
  what: string,
  rest: Pick<Case, "steps" | "expected" | "nonStrict">,
): Case[] =>
  WRITES.map(([chop, how], index) => ({
    id: `5.${first + index}`,
    what: `${what}, ${how}`,
    ...rest,
    ...(chop === undefined ? {} : { chop }),
  }));

const [one, two] = ["fragment1", "fragment2"];
const strayAgain: Step[] = [more("stray", { fin: false }), text("first", { fin: false }), more("last")];
const fiveFragments = fragments(["fragment1", "fragment2", "fragment3", "fragment4", "fragment5"]);
const withPings = (pause: Step[]): Step[] => [
  ...fiveFragments.slice(0, 2),
  ping("pongme 1!"),
  ...pause,
  ...fiveFragments.slice(2, 4),
  ping("pongme 2!"),
  ...fiveFragments.slice(4),
];
const bothPongs = [ponged("pongme 1!"), ponged("pongme 2!"), TEXT];

const fragmentation: Case[] = [
  {
    id: "5.1",
    what: "a ping in two fragments",
    steps: fragments([one, two], 9),
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "5.2",
    what: "a pong in two fragments",
    steps: fragments([one, two], 10),
    expected: [PROTOCOL_ERROR],
  },
  ...inAllWrites(3, "a text in two fragments", { steps: fragments([one, two]), expected: [TEXT] }),
  ...inAllWrites(6, "a text in two fragments with a ping between them", {
    steps: [text(one, { fin: false }), ping("ping"), more(two)],
    expected: [ponged("ping"), TEXT],
  }),
  ...inAllWrites(9, "a last fragment without a first one, then a text", {
    steps: [more("stray"), text("Hello")],
    expected: [PROTOCOL_ERROR],
  }),
  ...inAllWrites(12, "a middle fragment without a first one, then a text", {
    steps: [more("stray", { fin: false }), text("Hello")],
    expected: [PROTOCOL_ERROR],
  }),
  {
    id: "5.15",
    what: "a text in two fragments, a middle fragment without a first one, a text",
    steps: [...fragments([one, two]), more("stray", { fin: false }), text("Hello")],
    ...afterAnswer,
  },
  {
    id: "5.16",
    what: "twice: a middle fragment without a first one, then a text in two fragments",
    steps: [...strayAgain, ...strayAgain],
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "5.17",
    what: "twice: a last fragment without a first one, then a text in two fragments",
    steps: [more("stray"), ...strayAgain.slice(1), more("stray"), ...strayAgain.slice(1)],
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "5.18",
    what: "a second first fragment",
    steps: [text(one, { fin: false }), text(two)],
    expected: [PROTOCOL_ERROR],
  },
  {
    id: "5.19",
    what: "a text in five fragments with two pings and a pause",
    steps: withPings([{ pauseMs: 300 }]),
    expected: bothPongs,
  },
  { id: "5.20", what: "a text in five fragments with two pings", steps: withPings([]), expected: bothPongs },
];

const automatic: Case = {
  id: "10.1.1",
  what: "a text of 65536 bytes in fragments of 1300 bytes",
  steps: fragments(partsOf(Buffer.alloc(65_536, "*"), 1300)),
  expected: [TEXT],
};

export const framingCases: Case[] = [
  ...framing,
  ...pings,
  ...reservedBits,
  ...opcodes,
  ...fragmentation,
  automatic,
];
