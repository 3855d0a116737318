import { describe, expect, test } from "vitest";
import { countProcessEnds } from "../../../server/engine/process-ends.js";

describe("ends of the inference process during calls of one session", () => {
  test("lose the session when the same call ends it twice", () => {
    const ends = countProcessEnds();
    const [first, second] = [{}, {}];
    expect(ends.add(first, "SIGKILL")).toBeUndefined();
    expect(ends.add(second, "SIGKILL")).toBeUndefined();
    expect(ends.add(first, "SIGSEGV")).toBe(
      "The inference process ended 3 times in a row (SIGSEGV) during a call of this session.",
    );
  });

  test("lose the session at the fifth end without an answered call", () => {
    const ends = countProcessEnds();
    for (let end = 0; end < 4; end++) expect(ends.add({}, "SIGKILL")).toBeUndefined();
    expect(ends.add({}, "SIGKILL")).toBe(
      "The inference process ended 5 times in a row (SIGKILL) during calls of this session.",
    );
  });

  test("do not count after an answered call", () => {
    const ends = countProcessEnds();
    const call = {};
    for (let end = 0; end < 4; end++) expect(ends.add({}, "SIGKILL")).toBeUndefined();
    expect(ends.add(call, "SIGKILL")).toBeDefined();
    ends.reset();
    expect(ends.add(call, "SIGKILL")).toBeUndefined();
  });
});
