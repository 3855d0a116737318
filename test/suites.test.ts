/** Each test file runs in the right process. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DOCUMENT_SUITES, ISOLATED_SUITES, LONG_SUITES } from "../vitest.config.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => `test/${file}`);
const patterns = [...ISOLATED_SUITES, ...LONG_SUITES, ...DOCUMENT_SUITES];

/** @param pattern a path whose only wildcard is `*` for a file's name */
function matches(file: string, pattern: string): boolean {
  const [before = "", after] = pattern.split("*");
  return after === undefined ? file === pattern : file.startsWith(before) && file.endsWith(after);
}

/** Calls whose effect stays in the process after the file has ended, or reaches modules that other files have imported. */
const CHANGES_PROCESS =
  /\bvi\.(mock|doMock|hoisted|stubEnv|stubGlobal|useFakeTimers)\(|\bprocess\.chdir\(|\bprocess\.env\.\w+ = |\bdelete process\.env/;

/** What other files have loaded, started or kept would be part of the result. */
const MEASURES_PROCESS =
  /\bprocess\.report\b|\/proc\/self|\bmemoryUsage\(|\bgetActiveResources|\bresourceUsage\(|\bffmpegChildren\(|\blistenerCount\(/;

describe("the test files", () => {
  it("run in a process of their own if they change or measure their process", () => {
    const shared = files.filter((file) => !patterns.some((pattern) => matches(file, pattern)));
    expect(shared).toContain("test/suites.test.ts");
    const wrong = shared.filter((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return file !== "test/suites.test.ts" && (CHANGES_PROCESS.test(text) || MEASURES_PROCESS.test(text));
    });
    expect(wrong).toEqual([]);
  });

  it.each(patterns)("%s exists", (pattern) => {
    expect(files.filter((file) => matches(file, pattern))).not.toEqual([]);
  });
});
