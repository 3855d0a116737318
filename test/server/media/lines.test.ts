import fc from "fast-check";
import { expect, it } from "vitest";
import { createLineSplitter, MAX_LINE_CHARS } from "../../../server/media/lines.js";

/** Splits chunks into lines; a line that was cut is represented by its length. */
function split(chunks: Uint8Array[]): (string | number)[] {
  const lines: (string | number)[] = [];
  const splitter = createLineSplitter((line, isCut) => lines.push(isCut ? line.length : line));
  for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  splitter.end();
  return lines;
}

it("splits lines independently of the boundaries of the chunks", () => {
  expect(split([])).toEqual([]);
  expect(split([Buffer.from("a\r\n\nb")])).toEqual(["a", "", "b"]);
  const text = fc.string({ unit: fc.constantFrom("a", "é", "\n", " ") });
  fc.assert(
    fc.property(text, fc.array(fc.nat(20)), (text, sizes) => {
      let rest: Uint8Array = Buffer.from(text);
      const chunks = sizes.map((size) => {
        const chunk = rest.subarray(0, size);
        rest = rest.subarray(size);
        return chunk;
      });
      const lines = text.split("\n");
      if (lines.at(-1) === "") lines.pop();
      expect(split([...chunks, rest])).toEqual(lines);
    }),
  );
});

it("keeps the beginning of a line that is too long, and continues after it", () => {
  const long = Buffer.alloc(MAX_LINE_CHARS / 2, "x");
  expect(split([long, long, Buffer.from("\nb")])).toEqual(["x".repeat(MAX_LINE_CHARS), "b"]);
  expect(split([long, long, long, long, long, Buffer.from("x\nb\n")])).toEqual([MAX_LINE_CHARS, "b"]);
});
