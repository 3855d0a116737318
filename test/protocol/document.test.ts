import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fillIn, PARTS } from "../../protocol/docs/generate.js";
import {
  ERRORS,
  eventSchemas,
  parseMessage,
  REQUEST_SCHEMAS,
  serverMessageSchema,
} from "../../protocol/index.js";

const document = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

/** Lines of the conversations that begin with `arrow`, without those that leave something out. */
function examples(arrow: "→" | "←"): string[] {
  const lines = document.split("\n").filter((line) => line.startsWith(`${arrow} {`));
  return lines.map((line) => line.slice(2)).filter((line) => !/\{…\}|,…,/.test(line));
}

describe("PROTOCOL.md", () => {
  it("has the tables that the schemas give", () => {
    expect(fillIn(document)).toBe(document);
  });

  it("refuses a marker that nothing generates", () => {
    expect(() => fillIn("<!-- generated: answer fly -->\n<!-- end -->")).toThrow(/answer fly/);
  });

  it.each(Object.keys(REQUEST_SCHEMAS))("has a section with the fields of %s", (type) => {
    const section = document.split("\n### ").find((text) => text.startsWith(`${type}\n`));
    expect(section).toContain(`<!-- generated: request ${type} -->`);
  });

  it.each(Object.keys(eventSchemas))("shows the event %s", (event) => {
    expect(document).toContain(`<!-- generated: event ${event} -->`);
  });

  it.each([
    "frame",
    "done",
    "error",
    "outputs",
    "low-resolution-masks",
    "upload",
    "errors",
    "close codes",
    "field limits",
    "server limits",
  ])("shows the generated part %s", (part) => {
    expect(PARTS).toHaveProperty(part);
    expect(document).toContain(`<!-- generated: ${part} -->`);
  });

  it("names only errors that exist", () => {
    const lists = [...document.matchAll(/Errors: ((?:`\w+`[,.]\s*)+)/g)].map(([, list]) => list ?? "");
    const codes = lists.flatMap((list) => [...list.matchAll(/`(\w+)`/g)].map(([, code]) => code));
    expect(codes.length).toBeGreaterThan(15);
    expect(Object.keys(ERRORS)).toEqual(expect.arrayContaining(codes));
  });

  it.each(examples("→"))("shows a request that is one, or the error it gets: %s", (text) => {
    const { error } = parseMessage(text);
    if (error) expect(document).toContain(JSON.stringify(error.toBody()));
  });

  it.each(examples("←"))("shows a reply that is one: %s", (text) => {
    expect(() => serverMessageSchema.parse(JSON.parse(text))).not.toThrow();
  });

  it("shows more than a handful of messages", () => {
    expect(examples("→").length).toBeGreaterThan(5);
    expect(examples("←").length).toBeGreaterThan(5);
  });
});
