import { signal } from "@preact/signals";
import { describe, expect, it } from "vitest";
import { keyParts, search } from "../../clients/web/help/command.js";
import { createHints, type HintFacts } from "../../clients/web/help/hints.js";

const command = (title: string, group = "Run") => ({
  id: title,
  title,
  group,
  keys: [],
  enabled: () => true,
});

describe("search", () => {
  const commands = [
    command("Go to the next suspect frame", "See"),
    command("Run forward"),
    command("Undo", "Mend"),
  ];
  const titles = (typed: string) => search(commands, typed).map(({ title }) => title);

  it("returns all commands for nothing typed", () => {
    expect(titles(" ")).toHaveLength(3);
  });

  it("prefers the start of a title to the start of a word, and this to the middle of one", () => {
    expect(
      search([command("Backward run"), command("Rerun"), command("Run forward")], "run").map(
        ({ title }) => title,
      ),
    ).toEqual(["Run forward", "Backward run", "Rerun"]);
  });

  it("needs every word, in any order, of the title or the group", () => {
    expect(titles("suspect next")).toEqual(["Go to the next suspect frame"]);
    expect(titles("mend")).toEqual(["Undo"]);
    expect(titles("suspect undo")).toEqual([]);
  });
});

it.each([
  ["Ctrl+Shift+ArrowLeft", ["Ctrl", "Shift", "←"]],
  ["?", ["?"]],
  ["+", ["+"]],
  ["Ctrl++", ["Ctrl", "+"]],
])("splits the key %s", (key, parts) => {
  expect(keyParts(key)).toEqual(parts);
});

it("names the command key of a Mac", () => {
  expect(keyParts("Ctrl+K", true)).toEqual(["⌘", "K"]);
});

describe("hints", () => {
  const facts = signal<HintFacts>({ isVideoOpen: false, numObjects: 0, hasRun: false });
  const stored = new Map<string, string>();
  const place = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
  };

  it("follow the work, once each, also after a reload", () => {
    const hints = createHints(facts, place);
    expect(hints.current.value).toBeUndefined();
    facts.value = { ...facts.value, isVideoOpen: true };
    expect(hints.current.value?.id).toBe("click");
    facts.value = { ...facts.value, numObjects: 1 };
    expect(hints.current.value?.id).toBe("correct");
    hints.dismiss("correct");
    expect(hints.current.value?.id).toBe("run");
    facts.value = { ...facts.value, hasRun: true };
    expect(createHints(facts, place).current.value?.id).toBe("mend");
    createHints(facts, place).dismissAll();
    expect(createHints(facts, place).current.value).toBeUndefined();
  });
});
