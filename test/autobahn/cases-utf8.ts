/** 6 UTF-8. The sequences are those of the UTF-8 decoder stress test by Markus Kuhn. */
import { type Case, fragments, more, partsOf, type Step, TEXT, text } from "./case.js";

const INVALID = "close 1007";
const hex = (digits: string) => Buffer.from(digits.replace(/ /g, ""), "hex");

const GREEK = "κόσμε";
const VALID = `Hello-µ@ßöäüàá-UTF-8!!`;
/** A surrogate, which UTF-8 does not encode, between two valid texts. */
const BROKEN = Buffer.concat([Buffer.from(GREEK), hex("eda080"), Buffer.from("edited")]);

interface Group {
  what: string;
  valid?: readonly (string | Uint8Array)[];
  invalid?: readonly Uint8Array[];
}

const prefixes = Array.from({ length: Buffer.from(GREEK).length }, (_, index) =>
  Buffer.from(GREEK).subarray(0, index + 1),
);
const isText = (bytes: Uint8Array) => Buffer.from(Buffer.from(bytes).toString()).equals(bytes);
/** Each byte of a range, followed by a space. */
const lonely = (from: number, below: number) =>
  Buffer.from(Array.from({ length: below - from }, (_, index) => [from + index, 0x20]).flat());
const incomplete = [
  "c0",
  "e080",
  "f08080",
  "f8808080",
  "fc80808080",
  "df",
  "efbf",
  "f7bfbf",
  "fbbfbfbf",
  "fdbfbfbfbf",
].map(hex);
const nonCharacters = [
  0xfffe,
  0xffff,
  ...Array.from({ length: 16 }, (_, plane) => [0x1fffe + plane * 0x10000, 0x1ffff + plane * 0x10000]).flat(),
];
const hexes = (...list: string[]) => list.map(hex);

/** From 6.5 on; valid sequences of a group come first, except in 6.6. */
const groups: Group[] = [
  {
    what: "valid text",
    valid: ["hello$world", "hello¢world", "hello€world", "hello𤭢world", GREEK],
  },
  { what: "prefix of a valid text", valid: [], invalid: prefixes },
  { what: "first sequence of its length", valid: hexes("00", "c280", "e0a080", "f0908080") },
  { what: "first sequence of 5 or 6 bytes", invalid: hexes("f888808080", "fc8480808080") },
  { what: "last sequence of its length", valid: hexes("7f", "dfbf", "efbfbf", "f48fbfbf") },
  { what: "last sequence above U+10FFFF", invalid: hexes("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf") },
  {
    what: "boundary",
    valid: hexes("ed9fbf", "ee8080", "efbfbd", "f48fbfbf"),
    invalid: hexes("f4908080"),
  },
  {
    what: "continuation bytes alone",
    invalid: [
      ...hexes("80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80", "80bf80bf80bf"),
      Buffer.from(Array.from({ length: 0x3f }, (_, index) => 0x80 + index)),
    ],
  },
  {
    what: "start bytes alone",
    invalid: [
      lonely(0xc0, 0xdf),
      lonely(0xe0, 0xef),
      lonely(0xf0, 0xf7),
      lonely(0xf8, 0xfb),
      lonely(0xfc, 0xfd),
    ],
  },
  { what: "last continuation byte missing", invalid: incomplete },
  { what: "incomplete sequences in a row", invalid: [Buffer.concat(incomplete)] },
  { what: "impossible bytes", invalid: hexes("fe", "ff", "fefeffff") },
  {
    what: "overlong ASCII",
    invalid: hexes("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"),
  },
  {
    what: "longest overlong sequence",
    invalid: hexes("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"),
  },
  { what: "overlong NUL", invalid: hexes("c080", "e08080", "f0808080", "f880808080", "fc8080808080") },
  {
    what: "a surrogate",
    invalid: hexes("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"),
  },
  {
    what: "a pair of surrogates",
    invalid: ["eda080", "edadbf", "edae80", "edafbf"].flatMap((high) =>
      hexes(`${high}edb080`, `${high}edbfbf`),
    ),
  },
  { what: "a non-character", valid: nonCharacters.map((code) => String.fromCodePoint(code)) },
  {
    what: "a special character",
    valid: [0xfff9, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff].map((code) => String.fromCodePoint(code)),
  },
];

const sequences: Case[] = groups.flatMap(({ what, valid = [], invalid = [] }, group) =>
  [...valid, ...invalid].map((payload, index): Case => {
    const isValid = index < valid.length || isText(payload as Uint8Array);
    return {
      id: `6.${group + 5}.${index + 1}`,
      what: `${what}: ${Buffer.from(payload as Uint8Array)
        .toString("hex")
        .slice(0, 24)}`,
      steps: [text(payload)],
      expected: [isValid ? TEXT : INVALID],
    };
  }),
);

const byBytes = (payload: Uint8Array | string) => fragments(partsOf(Buffer.from(payload as Uint8Array), 1));

/** The invalid bytes are in the second of three parts. A server that fails fast closes before the third one is sent. */
const PARTS = [Buffer.from(GREEK), hex("f4908080"), Buffer.from("edited")] as const;
/** The first three bytes decide that the sequence is invalid: the fourth is not necessary. */
const CUT = [
  Buffer.concat([PARTS[0], hex("f4")]),
  hex("90"),
  Buffer.concat([hex("8080"), PARTS[2]]),
] as const;
const pause = { pauseMs: 700 };

const inFrames = ([first, second, third]: readonly [Buffer, Buffer, Buffer]): Step[] => [
  text(first, { fin: false }),
  pause,
  more(second, { fin: false }),
  pause,
  more(third),
];

/** One frame in three writes. */
function inChops(parts: readonly [Buffer, Buffer, Buffer], encode: (frame: Step) => Buffer): Step[] {
  const frame = encode(text(Buffer.concat(parts)));
  const head = frame.length - Buffer.concat(parts).length;
  const [first, second] = parts.map(({ length }) => length) as [number, number];
  return [
    { bytes: frame.subarray(0, head + first) },
    pause,
    { bytes: frame.subarray(head + first, head + first + second) },
    pause,
    { bytes: frame.subarray(head + first + second) },
  ];
}

export function utf8Cases(encode: (frame: Step) => Buffer): Case[] {
  return [
    { id: "6.1.1", what: "an empty text", steps: [text("")], expected: [TEXT] },
    { id: "6.1.2", what: "three empty fragments", steps: fragments(["", "", ""]), expected: [TEXT] },
    {
      id: "6.1.3",
      what: "three fragments, the first and last empty",
      steps: fragments(["", "middle", ""]),
      expected: [TEXT],
    },
    { id: "6.2.1", what: "valid text in one frame", steps: [text(VALID)], expected: [TEXT] },
    {
      id: "6.2.2",
      what: "valid text in two fragments",
      steps: fragments([VALID.slice(0, 8), VALID.slice(8)]),
      expected: [TEXT],
    },
    { id: "6.2.3", what: "valid text in fragments of one byte", steps: byBytes(VALID), expected: [TEXT] },
    { id: "6.2.4", what: "Greek text in fragments of one byte", steps: byBytes(GREEK), expected: [TEXT] },
    { id: "6.3.1", what: "invalid text in one frame", steps: [text(BROKEN)], expected: [INVALID] },
    {
      id: "6.3.2",
      what: "invalid text in fragments of one byte",
      steps: byBytes(BROKEN),
      expected: [INVALID],
    },
    ...[inFrames(PARTS), inFrames(CUT), inChops(PARTS, encode), inChops(CUT, encode)].map(
      (steps, index): Case => ({
        id: `6.4.${index + 1}`,
        what: `invalid bytes in the second of three ${index < 2 ? "fragments" : "writes"}`,
        steps,
        expected: [INVALID],
        failsBefore: 4,
      }),
    ),
    ...sequences,
  ];
}
