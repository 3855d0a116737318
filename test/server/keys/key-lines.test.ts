import { describe, expect, test } from "vitest";
import { MAX_KEY_LINES, parseKeyLines } from "../../../server/keys/key-lines.js";

const A = "a".repeat(64);
const B = "b".repeat(64);

const parse = (...lines: string[]) => parseKeyLines(lines.join("\n"), "The file");

describe("parseKeyLines", () => {
  test("reads names, hashes and weights", () => {
    expect(parse(`ann:sha256:${A}`, `bob:sha256:${B}:3`)).toEqual([
      { name: "ann", hash: A, weight: undefined },
      { name: "bob", hash: B, weight: 3 },
    ]);
  });

  test("ignores comments, empty lines, white space, the end of lines of other systems, and a byte order mark", () => {
    const text = `\uFEFF# keys\r\n\r\n  ann:sha256:${A.toUpperCase()}  # 2026-11-29\r\n#bob:sha256:${B}\n`;
    expect(parseKeyLines(text, "The file")).toEqual([{ name: "ann", hash: A, weight: undefined }]);
  });

  test("gives an owner several keys, of which the same one counts once", () => {
    const keys = parse(`ann:sha256:${A}`, `ann:sha256:${B}:2`, `ann:sha256:${A}:2`);
    expect(keys.map(({ hash }) => hash)).toEqual([A, B]);
  });

  test.each([
    ["ann", "expected NAME:sha256:HEX[:WEIGHT]"],
    [`ann:sha256:${A}:1:2`, "expected NAME:sha256:HEX[:WEIGHT]"],
    [`:sha256:${A}`, "expected a name of 1 to 64 characters"],
    [`ann b:sha256:${A}`, "expected a name of"],
    [`änn:sha256:${A}`, "expected a name of"],
    [`../ann:sha256:${A}`, "expected a name of"],
    [`ann\u0000:sha256:${A}`, "expected a name of"],
    [`${"a".repeat(65)}:sha256:${A}`, "expected a name of"],
    [`ann:md5:${A}`, "expected sha256 after the name"],
    [`ann:sha256:${A}0`, "expected 64 hex digits"],
    [`ann:sha256:${"g".repeat(64)}`, "expected 64 hex digits"],
    ["ann:sha256:", "expected 64 hex digits"],
    [`ann:sha256:${A}:0`, "expected a weight, a whole number from 1 to 100"],
    [`ann:sha256:${A}:101`, "expected a weight"],
    [`ann:sha256:${A}:1.5`, "expected a weight"],
    [`ann:sha256:${A}:`, "expected a weight"],
    [`bob:sha256:${B}`, "the key is also that of ann on line 1"],
    [`ann:sha256:${A}:3`, "ann has the weight 2 on line 1, and 3 here"],
  ])("rejects %j with the number of its line", (line, problem) => {
    expect(() => parse(`ann:sha256:${B}:2`, "# comment", line)).toThrow(`The file, line 3: ${problem}`);
  });

  test.each(["", "# nothing\n\n"])("rejects a text without a key: %j", (text) => {
    expect(() => parseKeyLines(text, "The file")).toThrow(
      /^The file contains no key.*"masklet keys add NAME"/,
    );
  });

  test("accepts the greatest number of keys, and rejects one more", () => {
    const lines = Array.from(
      { length: MAX_KEY_LINES + 1 },
      (_, index) => `ann:sha256:${String(index).padStart(64, "0")}`,
    );
    expect(parse(...lines.slice(1))).toHaveLength(MAX_KEY_LINES);
    expect(() => parse(...lines)).toThrow(
      `line ${MAX_KEY_LINES + 1}: expected at most ${MAX_KEY_LINES} keys`,
    );
  });
});
