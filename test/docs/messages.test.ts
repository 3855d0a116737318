/** Messages and codes that the documents quote are those of the sources. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { documents, root } from "../../docs/site/pages.mjs";
import { read, samples } from "../../protocol/docs/markdown.js";
import { CLOSE_CODES, ERRORS } from "../../protocol/index.js";
import { messagePatterns } from "./literals.js";

const ROOMS = ["protocol", "server", "tracker", "detector", "clients/command", "clients/typescript"];
const sources = ROOMS.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.m?[jt]s$/.test(name))
    .map((name) => readFileSync(join(root, room, name), "utf8")),
);
const patterns = sources.flatMap(messagePatterns);
const isPrinted = (message: string) => patterns.some((pattern) => pattern.test(message));

describe("messages in the documents", () => {
  const quoted = documents()
    .flatMap((document) => samples(document, read(document)))
    .filter(({ language }) => language === "message");

  it("are many", () => expect(quoted.length).toBeGreaterThan(15));

  it.each(quoted.map(({ document, line, code }) => [`${document}:${line}`, code.trim()]))(
    "%s: the sources have %s",
    (_, message) => expect(isPrinted(message ?? "")).toBe(true),
  );

  it("that no source has are found", () => {
    expect(isPrinted("Port 8765 of 127.0.0.1 is in use; choose another with --port.")).toBe(false);
    expect(isPrinted("There is a file or folder dog.mp4 below a media root.")).toBe(false);
  });

  it("are found in joined, nested and escaped literals", () => {
    const source =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a source with a template.
      'x(`a "long" name of ${b ? `c${d}` : "}"} and` +\n  " its end"); // "a comment of some length"\n';
    const [pattern, ...others] = messagePatterns(source);
    expect(others).toEqual([]);
    expect(pattern?.test('a "long" name of anything and its end')).toBe(true);
    expect(pattern?.test('a "long" name of anything')).toBe(false);
  });
});

describe("codes in the documents", () => {
  /** Words after "code" in backticks, and numbers after "close code". */
  const codes = (pattern: RegExp) =>
    documents().flatMap((document) =>
      [...read(document).matchAll(pattern)].map(([, code = ""]) => ({ document, code })),
    );

  it("of errors are those of the protocol", () => {
    // Codes of HTTP alone are in the second file.
    const ofHttp = read("server/http/errors.ts").match(/\b[a-z]+(_[a-z]+)+\b/g) ?? [];
    const known = new Set([...Object.keys(ERRORS), ...ofHttp]);
    const given = codes(/\bcode `([a-z]+(?:_[a-z]+)+)`/g);
    expect(given.length).toBeGreaterThan(5);
    expect(given.filter(({ code }) => !known.has(code))).toEqual([]);
  });

  it("of closed sockets are those of the protocol or of WebSockets", () => {
    const known = Object.values(CLOSE_CODES).map(({ code }) => String(code));
    const given = codes(/\bclose code (\d{4})/g);
    expect(given.filter(({ code }) => !known.includes(code) && !code.startsWith("10"))).toEqual([]);
  });
});
