import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DOCUMENTS, fillIn, PARTS } from "../../protocol/docs/generate.js";
import {
  ANSWER_FIELDS,
  COMMON_ERRORS,
  ERRORS,
  eventSchemas,
  MESSAGE_ERRORS,
  parseMessage,
  REQUEST_ERRORS,
  REQUEST_SCHEMAS,
  SESSION_ERRORS,
  serverMessageSchema,
  UPLOAD_ERRORS,
} from "../../protocol/index.js";
import { presets } from "../../tracker/presets.js";

const document = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

/** The messages of the conversations in one direction, without abbreviated ones. */
function examples(arrow: "→" | "←"): string[] {
  const lines = document.split("\n").filter((line) => line.startsWith(`${arrow} {`));
  return lines.map((line) => line.slice(2)).filter((line) => !/\{…\}|,…,/.test(line));
}

describe("PROTOCOL.md", () => {
  it.each(DOCUMENTS)("%s has the tables that the schemas generate", (path) => {
    const text = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
    expect(fillIn(text)).toBe(text);
  });

  it("rejects a marker without a generated part", () => {
    expect(() => fillIn("<!-- generated: answer fly -->\n<!-- end -->")).toThrow(/answer fly/);
  });

  it.each(Object.keys(REQUEST_SCHEMAS))("has a section with the fields of %s", (type) => {
    const section = document.split("\n### ").find((text) => text.startsWith(`${type}\n`));
    expect(section).toContain(`<!-- generated: request ${type} -->`);
  });

  it.each(Object.keys(ANSWER_FIELDS))("describes the answer to %s", (type) => {
    const section = document.split("\n### ").find((text) => text.startsWith(`${type}\n`));
    expect(section).toMatch(
      new RegExp(`<!-- generated: answer ${type} -->|\nAnswer: \`is_success\`, always true\\.\n`),
    );
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
    "shares",
  ])("shows the generated part %s", (part) => {
    expect(PARTS).toHaveProperty(part);
    expect(document).toContain(`<!-- generated: ${part} -->`);
  });

  it.each(Object.entries(REQUEST_ERRORS).filter(([, codes]) => codes.length > 0))(
    "lists the errors of %s",
    (type) => {
      const section = document.split("\n### ").find((text) => text.startsWith(`${type}\n`));
      expect(section).toContain(`<!-- generated: errors of ${type} -->`);
    },
  );

  it("assigns every error to a request, an upload or a message", () => {
    const assigned = [
      ...[COMMON_ERRORS, SESSION_ERRORS, MESSAGE_ERRORS],
      ...Object.values(REQUEST_ERRORS),
      ...Object.values(UPLOAD_ERRORS),
    ].flat();
    // A message that is too large gets no error message, and a refused connection has no messages.
    const withoutMessage = ["message_too_large", "connection_limit"];
    expect(Object.keys(ERRORS).sort()).toEqual([...new Set([...assigned, ...withoutMessage])].sort());
  });

  it("states the default start frame of every preset", () => {
    const rows = document.split("#### default start frame")[1]?.split("####")[0] ?? "";
    const presetsOf = (default_: string) =>
      [...(rows.split("\n").find((row) => row.includes(default_)) ?? "").matchAll(/`([\w-]+)`/g)].map(
        ([, name]) => name,
      );
    const names = Object.keys(presets) as (keyof typeof presets)[];
    const visited = names.filter((name) => presets[name].session.startsAtVisited);
    expect(presetsOf("that a full propagation visited").sort()).toEqual(visited.sort());
    expect(presetsOf("| the smallest prompted frame |").sort()).toEqual(
      names.filter((name) => !visited.includes(name)).sort(),
    );
  });

  it("states which presets repeat only what is necessary, and which need a visited frame for a click", () => {
    const names = Object.keys(presets) as (keyof typeof presets)[];
    const quoted = (rule: (name: keyof typeof presets) => boolean) =>
      names.filter(rule).map((name) => `\`${name}\``);
    const [first, second, third] = quoted((name) => presets[name].session.propagationModes);
    const clicks = quoted((name) => presets[name].sam3Parity.clickNeedsVisitedFrame).join(" and ");
    const sentences = [
      `Under the presets ${first}, ${second} and ${third}, a propagation repeats only what is necessary.`,
      `\`nothing_prompted\` occurs only under the presets ${clicks}, as in SAM 3`,
      `\`nothing_prompted\` ends a stream also in the middle under the presets ${clicks}, as in SAM 3`,
    ];
    const text = document.replace(/\s+/g, " ");
    expect(sentences.filter((sentence) => !text.includes(sentence))).toEqual([]);
  });

  it.each(examples("→"))("shows a valid message, or the error that it gets: %s", (text) => {
    const { error } = parseMessage(text);
    if (error) expect(document).toContain(JSON.stringify(error.toBody()));
  });

  it.each(examples("←"))("shows a valid reply: %s", (text) => {
    expect(() => serverMessageSchema.parse(JSON.parse(text))).not.toThrow();
  });

  it("shows more than five messages in each direction", () => {
    expect(examples("→").length).toBeGreaterThan(5);
    expect(examples("←").length).toBeGreaterThan(5);
  });
});
